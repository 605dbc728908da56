"""The definition of a SageMaker pipeline, schema version 2020-12-01, as typed data.

Source: "SageMaker Pipeline Definition JSON Schema" (aws-sagemaker-mlops.github.io). A step names
another's results by `Get`; what it gets decides the order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA_VERSION = "2020-12-01"

Json = dict[str, Any]
Comparison = Literal["GreaterThanOrEqualTo", "LessThanOrEqualTo"]


def get(path: str) -> Json:
    """Refer to a parameter, to something of the execution, or to a step's result."""
    return {"Get": path}


@dataclass(frozen=True)
class Parameter:
    """What a run may be given."""

    name: str
    type: Literal["String", "Integer", "Float"]
    default: str | int | float

    @property
    def value(self) -> Json:
        """Its value in a run."""
        return get(f"Parameters.{self.name}")

    def to_json(self) -> Json:
        """As the definition has it."""
        return {"Name": self.name, "Type": self.type, "DefaultValue": self.default}


@dataclass(frozen=True)
class Step:
    """A training, processing, registering or failing step: the arguments of SageMaker's API."""

    name: str
    type: Literal["Training", "Processing", "RegisterModel", "Fail"]
    arguments: Mapping[str, Any]
    property_files: Sequence[Json] = ()

    def result(self, path: str) -> Json:
        """Refer to a property of what the step made, as its Describe call answers it."""
        return get(f"Steps.{self.name}.{path}")

    def from_property_file(self, name: str, path: str) -> Json:
        """Refer to a value in a JSON file that the step wrote."""
        file = get(f"Steps.{self.name}.PropertyFiles.{name}")
        return {"Std:JsonGet": {"PropertyFile": file, "Path": path}}

    def to_json(self) -> Json:
        """As the definition has it."""
        step: Json = {"Name": self.name, "Type": self.type, "Arguments": dict(self.arguments)}
        if self.property_files:
            step["PropertyFiles"] = list(self.property_files)
        return step


@dataclass(frozen=True)
class Condition:
    """Two values that are compared."""

    left: Json
    comparison: Comparison
    right: Json | float

    def to_json(self) -> Json:
        """As the definition has it."""
        return {"Type": self.comparison, "LeftValue": self.left, "RightValue": self.right}


@dataclass(frozen=True)
class ConditionStep:
    """What happens when every condition holds, and what when one does not."""

    name: str
    conditions: Sequence[Condition]
    then: Sequence[Step]
    otherwise: Sequence[Step]

    def to_json(self) -> Json:
        """As the definition has it."""
        return {
            "Name": self.name,
            "Type": "Condition",
            "Arguments": {
                "Conditions": [one.to_json() for one in self.conditions],
                "IfSteps": [one.to_json() for one in self.then],
                "ElseSteps": [one.to_json() for one in self.otherwise],
            },
        }


@dataclass(frozen=True)
class PipelineDefinition:
    """Parameters and steps; `problems` says what SageMaker would refuse."""

    parameters: Sequence[Parameter]
    steps: Sequence[Step | ConditionStep]
    metadata: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> Json:
        """The whole document."""
        return {
            "Version": SCHEMA_VERSION,
            "Metadata": dict(self.metadata),
            "Parameters": [one.to_json() for one in self.parameters],
            # Null turns experiments off. Without this member, each execution creates an experiment
            # and a trial, for which the pipeline's role would need further rights.
            "PipelineExperimentConfig": None,
            "Steps": [one.to_json() for one in self.steps],
        }

    def problems(self) -> Iterator[str]:
        """Yield unknown references, names that come twice, and steps that wait for each other."""
        document = self.to_json()
        names = [one["Name"] for one in _steps(document["Steps"])]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"two steps are called {name}"
        parameters = {one.name for one in self.parameters}
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
    """Yield steps, those behind conditions too."""
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
    """Every step that must be done before one begins."""
    found: set[str] = set()
    waiting = list(waits.get(name, ()))
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += waits.get(one, ())
    return found
