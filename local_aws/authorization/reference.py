"""Entries of the Service Authorization Reference for the operations that the emulator serves.

`make authorization-data` writes the data.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from local_aws.account_region import Scope

_DATA = "service_authorization.json"
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)\}")
# Dependent actions that AWS documents in places other than the Service Authorization Reference.
# Sources: AWS IoT Greengrass V2 Developer Guide, "Troubleshooting": CreateComponentVersion needs
# lambda:GetFunction on the imported version, and s3:GetObject on the artifacts of a recipe. AWS
# CodePipeline User Guide, "CodePipeline permissions reference": CreatePipeline and UpdatePipeline
# pass the pipeline's role.
DOCUMENTED_DEPENDENT_ACTIONS: dict[str, tuple[str, ...]] = {
    "codepipeline:CreatePipeline": ("iam:PassRole",),
    "codepipeline:UpdatePipeline": ("iam:PassRole",),
    "greengrass:CreateComponentVersion": ("lambda:GetFunction", "s3:GetObject"),
}


@dataclass(frozen=True, slots=True)
class Action:
    """An IAM action such as ``greengrass:CreateDeployment``.

    ``resource_types`` are the types on which a policy can allow the action, as ``service:type``. If
    the tuple is empty, a policy must allow the action on ``*``. A policy must also allow the
    ``dependent_actions``.
    """

    name: str
    access_level: str
    resource_types: tuple[str, ...]
    dependent_actions: tuple[str, ...]


@cache
def action(name: str) -> Action:
    """Return the entry of an action.

    Raises:
        KeyError: no operation of the emulator requires the action.
    """
    entry = _data()["actions"][name]
    service = name.partition(":")[0]
    return Action(
        name,
        entry["access_level"],
        tuple(f"{service}:{kind}" for kind in entry["on"]),
        (*entry["dependent_actions"], *DOCUMENTED_DEPENDENT_ACTIONS.get(name, ())),
    )


def actions() -> list[str]:
    """Return the names of all actions, sorted."""
    return sorted(_data()["actions"])


def arn(kind: str, scope: Scope, *names: str) -> str:
    """Build the ARN of a resource from its type (``service:type``) and its names in ARN order."""
    values = iter(names)
    known = {"Partition": "aws", "Region": scope.region, "Account": scope.account}
    return _VARIABLE.sub(
        lambda match: known.get(match["name"]) or next(values), _data()["resources"][kind]
    )


def resource_types(arn: str) -> list[str]:
    """Return the types (``service:type``) whose ARNs have the same form as ``arn``."""
    return [name for name, pattern in _patterns().items() if pattern.fullmatch(arn)]


@cache
def _patterns() -> dict[str, re.Pattern[str]]:
    return {
        name: re.compile("[^:]*".join(map(re.escape, _VARIABLE.split(form)[::2])))
        for name, form in _data()["resources"].items()
    }


@cache
def _data() -> dict[str, Any]:
    content = files("local_aws.authorization").joinpath(_DATA).read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(content)
    return data
