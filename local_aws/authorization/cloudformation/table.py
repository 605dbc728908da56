"""The table of permissions: CloudFormation's resource schemas, and assumptions where they end."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

Step = Literal["create", "read", "update", "delete"]
Limit = Literal["with", "setting", "removing"]
"""An action is for resources that have a property, for steps that set it, or that remove it."""
STEPS: tuple[Step, ...] = ("create", "read", "update", "delete")

_HERE = Path(__file__).parent
_VARIABLE = re.compile(r"\$\{\w+\}")
_ONE_OF = {
    "${Account}": "[^:]*",
    "${BucketName}": "[^/:]+",
    "${ObjectName}": ".+",
    "${PipelineName}": "[^/:]+",
    "${Region}": "[^:]*",
}


def row(type_: str) -> dict[Step, list[str]]:
    """Return the actions of a resource type per step.

    Raises:
        KeyError: the table does not have the type.
    """
    key = "Custom::*" if type_.startswith("Custom::") else type_
    published, assumed = _published()["types"].get(key), _assumed()["rows"].get(key)
    if published is None and assumed is None:
        raise KeyError(type_)
    unknown = set(_published()["not_actions"])
    return {
        step: sorted({*(published or {}).get(step, []), *(assumed or {}).get(step, [])} - unknown)
        for step in STEPS
    }


def by_property(limit: Limit, type_: str) -> dict[str, str]:
    """Return the actions of a type that depend on a property, with that property."""
    limited = _assumed()[limit].get(type_, {})
    return {action: name for name, actions in limited.items() for action in actions}


def kinds(action: str) -> list[str]:
    """Return the kinds of resources that IAM evaluates an action on, ["*"] if it has none.

    Raises:
        KeyError: the table does not have the action.
    """
    found: list[str] = _published()["actions"][action]
    return found


def arn(kind: str, name: str, *, region: str, account: str) -> str:
    """Return the ARN of a kind of resource in the partition `aws`."""
    pattern: str = _published()["resources"][kind]
    here = {"${Partition}": "aws", "${Region}": region, "${Account}": account}
    for variable, value in here.items():
        pattern = pattern.replace(variable, value)
    return f"{_VARIABLE.split(pattern, maxsplit=1)[0]}{name}"


def is_a(kind: str, text: str) -> bool:
    """Return whether an ARN is one of a kind."""
    pattern: str = _published()["resources"][kind]
    literals, variables = _VARIABLE.split(pattern), _VARIABLE.findall(pattern)
    expression = re.escape(literals[0]) + "".join(
        _ONE_OF.get(variable, "[^:]+") + re.escape(literal)
        for variable, literal in zip(variables, literals[1:], strict=True)
    )
    return re.fullmatch(expression, text) is not None


@cache
def _published() -> dict[str, Any]:
    return _read("permissions.json")


@cache
def _assumed() -> dict[str, Any]:
    return _read("assumptions.json")


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((_HERE / name).read_text(encoding="utf-8"))
    return content
