"""Greengrass's ARNs."""

import re
from dataclasses import dataclass

from local_aws.account_region import Scope
from local_aws.errors import NotFoundError, ValidationError

_COMPONENT = re.compile(
    r"arn:aws:greengrass:(?P<region>[^:]*):(?P<owner>aws|[0-9]+)"
    r":components:(?P<name>[^:]+)(:versions:(?P<version>[^:]+))?"
)
_TARGET = re.compile(
    r"arn:aws:iot:(?P<region>[^:]*):(?P<account>[0-9]+):(?P<kind>thing|thinggroup)/(?P<name>.+)"
)
PUBLIC = "aws"


@dataclass(frozen=True, slots=True)
class ComponentArn:
    """A component, or with ``version`` one version of it."""

    owner: str
    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """What a deployment is for: a ``thing`` or a ``thinggroup``."""

    kind: str
    name: str


def component_arn(scope: Scope, name: str, *, public: bool = False) -> str:
    """Name a component."""
    owner = PUBLIC if public else scope.account
    return f"arn:aws:greengrass:{scope.region}:{owner}:components:{name}"


def component_version_arn(scope: Scope, name: str, version: str, *, public: bool = False) -> str:
    """Name a component version."""
    return f"{component_arn(scope, name, public=public)}:versions:{version}"


def configuration_arn(scope: Scope, target: Target, revision: int) -> str:
    """Name a revision of what a target should run, as job documents do."""
    return (
        f"arn:aws:greengrass:{scope.region}:{scope.account}"
        f":configuration:{target.kind}/{target.name}:{revision}"
    )


def parse_component(scope: Scope, arn: str) -> ComponentArn:
    """Read a component's ARN.

    Raises:
        NotFoundError: it is not one, or names another account or region.
    """
    match = _COMPONENT.fullmatch(arn)
    known = match and match["region"] == scope.region and match["owner"] in (PUBLIC, scope.account)
    if not match or not known:
        raise NotFoundError("COMPONENT", arn)
    return ComponentArn(match["owner"], match["name"], match["version"])


def parse_target(scope: Scope, arn: str) -> Target:
    """Read a deployment's target.

    Raises:
        ValidationError: it is not a thing or thing group of this account and region.
    """
    match = _TARGET.fullmatch(arn)
    if not match or (match["account"], match["region"]) != (scope.account, scope.region):
        raise ValidationError(
            f"Target {arn} is no thing or thing group of account {scope.account}, {scope.region}."
        )
    if match["kind"] == "thinggroup" and ":" in match["name"]:
        # Source: Greengrass developer guide, "Install AWS IoT Greengrass Core software".
        raise ValidationError(f"Target {arn}: the thing group's name can't contain colons.")
    return Target(match["kind"], match["name"])
