"""The ARNs of Greengrass' resources."""

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
    """The ARN of a component; with `version`, of a component version."""

    owner: str
    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class DeploymentTarget:
    """The target of a deployment: a `thing` or a `thinggroup`."""

    kind: str
    name: str


def component_arn(scope: Scope, name: str, *, public: bool = False) -> str:
    """Return the ARN of a component."""
    owner = PUBLIC if public else scope.account
    return f"arn:aws:greengrass:{scope.region}:{owner}:components:{name}"


def component_version_arn(scope: Scope, name: str, version: str, *, public: bool = False) -> str:
    """Return the ARN of a component version."""
    return f"{component_arn(scope, name, public=public)}:versions:{version}"


def configuration_arn(scope: Scope, target: DeploymentTarget, revision: int) -> str:
    """Return the ARN of a revision of a target's configuration, as in job documents."""
    return (
        f"arn:aws:greengrass:{scope.region}:{scope.account}"
        f":configuration:{target.kind}/{target.name}:{revision}"
    )


def parse_component(scope: Scope, arn: str) -> ComponentArn:
    """Parse the ARN of a component.

    Raises:
        NotFoundError: the ARN is not valid, or has another account or Region.
    """
    match = _COMPONENT.fullmatch(arn)
    is_own = match and match["region"] == scope.region and match["owner"] in (PUBLIC, scope.account)
    if not match or not is_own:
        raise NotFoundError("COMPONENT", arn)
    return ComponentArn(match["owner"], match["name"], match["version"])


def parse_target(scope: Scope, arn: str) -> DeploymentTarget:
    """Parse the target of a deployment.

    Raises:
        ValidationError: the ARN is not a thing or thing group of this account and Region, or the
            thing group's name contains a colon.
    """
    match = _TARGET.fullmatch(arn)
    if not match or (match["account"], match["region"]) != (scope.account, scope.region):
        raise ValidationError(
            f"Target {arn} is not a thing or thing group of account {scope.account} in"
            f" {scope.region}."
        )
    if match["kind"] == "thinggroup" and ":" in match["name"]:
        # Source: Greengrass developer guide, "Install AWS IoT Greengrass Core software".
        raise ValidationError(f"Target {arn}: the thing group's name can't contain colons.")
    return DeploymentTarget(match["kind"], match["name"])
