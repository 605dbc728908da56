"""The definition of a SageMaker pipeline, schema version 2020-12-01, as typed data.

Source: "SageMaker Pipeline Definition JSON Schema" (aws-sagemaker-mlops.github.io). A step refers
to results of other steps by `Get`, which determines the order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA_VERSION = "2020-12-01"

Json = dict[str, Any]
Comparison = Literal["GreaterThanOrEqualTo", "LessThanOrEqualTo"]


def get(path: str) -> Json:
    """Return a reference to a parameter, to a property of the execution, or to a step's result."""
    return {"Get": path}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a pipeline execution."""

    name: str
    type: Literal["String", "Integer", "Float"]
    default: str | int | float

    @property
    def value(self) -> Json:
        """A reference to the parameter's value."""
        return get(f"Parameters.{self.name}")

    def to_json(self) -> Json:
        """Return the parameter in the format of the definition."""
        return {"Name": self.name, "Type": self.type, "DefaultValue": self.default}


@dataclass(frozen=True)
class Step:
    """A Training, Processing, RegisterModel or Fail step, with its arguments for SageMaker."""

    name: str
    type: Literal["Training", "Processing", "RegisterModel", "Fail"]
    arguments: Mapping[str, Any]
    property_files: Sequence[Json] = ()

    def result(self, path: str) -> Json:
        """Return a reference to a property in the response of the step's Describe call."""
        return get(f"Steps.{self.name}.{path}")

    def from_property_file(self, name: str, path: str) -> Json:
        """Return a reference to a value in a JSON file of the step."""
        file = get(f"Steps.{self.name}.PropertyFiles.{name}")
        return {"Std:JsonGet": {"PropertyFile": file, "Path": path}}

    def to_json(self) -> Json:
        """Return the step in the format of the definition."""
        step: Json = {"Name": self.name, "Type": self.type, "Arguments": dict(self.arguments)}
        if self.property_files:
            step["PropertyFiles"] = list(self.property_files)
        return step


@dataclass(frozen=True)
class Condition:
    """A comparison of two values."""

    left: Json
    comparison: Comparison
    right: Json | float

    def to_json(self) -> Json:
        """Return the condition in the format of the definition."""
        return {"Type": self.comparison, "LeftValue": self.left, "RightValue": self.right}


@dataclass(frozen=True)
class ConditionStep:
    """A step that runs one list of steps if every condition is true, and another list otherwise."""

    name: str
    conditions: Sequence[Condition]
    then: Sequence[Step]
    otherwise: Sequence[Step]

    def to_json(self) -> Json:
        """Return the condition step in the format of the definition."""
        return {
            "Name": self.name,
            "Type": "Condition",
            "Arguments": {
                "Conditions": [condition.to_json() for condition in self.conditions],
                "IfSteps": [step.to_json() for step in self.then],
                "ElseSteps": [step.to_json() for step in self.otherwise],
            },
        }


@dataclass(frozen=True)
class PipelineDefinition:
    """Parameters and steps of a pipeline.

    `problems` yields errors of references, names and dependencies, for which SageMaker would reject
    the definition.
    """

    parameters: Sequence[Parameter]
    steps: Sequence[Step | ConditionStep]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> Json:
        """Return the complete definition."""
        return {
            "Version": SCHEMA_VERSION,
            "Metadata": dict(self.metadata),
            "Parameters": [parameter.to_json() for parameter in self.parameters],
            # Null disables experiments. Without this member, each execution creates an experiment
            # and a trial, for which the pipeline's role would require more permissions.
            "PipelineExperimentConfig": None,
            "Steps": [step.to_json() for step in self.steps],
        }

    def problems(self) -> Iterator[str]:
        """Yield a sentence for each unknown reference, duplicate name and cyclic dependency."""
        document = self.to_json()
        names = [step["Name"] for step in _steps(document["Steps"])]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"two steps are called {name}"
        parameters = {parameter.name for parameter in self.parameters}
        waits: dict[str, set[str]] = {}
        for step in _steps(document["Steps"]):
            waits[step["Name"]] = set()
            for path in _references(step):
                kind, name, *_ = path.split(".")
                if kind == "Parameters" and name not in parameters:
                    yield f"{step['Name']}: there is no parameter {name}"
                if kind == "Steps":
                    waits[step["Name"]].add(name)
                    if name not in names:
                        yield f"{step['Name']}: there is no step {name}"
        for name in names:
            if name in _reached(waits, name):
                yield f"{name}: waits for itself"


def _steps(steps: Sequence[Json]) -> Iterator[Json]:
    """Yield all steps, including the steps of condition steps."""
    for step in steps:
        yield step
        if step["Type"] == "Condition":
            yield from _steps(step["Arguments"]["IfSteps"])
            yield from _steps(step["Arguments"]["ElseSteps"])


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"Get"}:
            yield value["Get"]
            return
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def _reached(waits: Mapping[str, set[str]], name: str) -> set[str]:
    """Return every step that must end before the step `name` starts."""
    reached: set[str] = set()
    waiting = list(waits.get(name, ()))
    while waiting:
        step = waiting.pop()
        if step not in reached:
            reached.add(step)
            waiting += waits.get(step, ())
    return reached
