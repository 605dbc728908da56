"""The permissions table: CloudFormation's resource schemas, completed by assumptions."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any, Literal

Step = Literal["create", "read", "update", "delete"]
Limit = Literal["with", "setting", "removing"]
"""The condition of an action: a resource has a property, or a step sets or removes it."""
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
    """Return the actions of each step for a resource type.

    Raises:
        KeyError: the table does not contain the type.
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
    """Return the actions of a type to which `limit` applies, mapped to the name of the property."""
    limited = _assumed()[limit].get(type_, {})
    return {action: name for name, actions in limited.items() for action in actions}


def kinds(action: str) -> list[str]:
    """Return the kinds of resources on which IAM evaluates an action; ["*"] if it has none.

    Raises:
        KeyError: the table does not contain the action.
    """
    listed: list[str] = _published()["actions"][action]
    return listed


def arn(kind: str, name: str, *, region: str, account: str) -> str:
    """Return the ARN of a resource of the given kind and name, in the partition `aws`."""
    pattern: str = _published()["resources"][kind]
    values = {"${Partition}": "aws", "${Region}": region, "${Account}": account}
    for variable, value in values.items():
        pattern = pattern.replace(variable, value)
    return f"{_VARIABLE.split(pattern, maxsplit=1)[0]}{name}"


def is_a(kind: str, text: str) -> bool:
    """Return whether an ARN has the form of a kind of resource."""
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
