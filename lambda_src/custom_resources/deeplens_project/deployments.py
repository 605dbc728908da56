"""One deployment for one target: found if it is there already, else created."""

import json
from dataclasses import dataclass
from typing import Any, Self

from cloudformation import ResourceFailed

_LIVE = {"ACTIVE", "COMPLETED"}


@dataclass(frozen=True)
class Wanted:
    """A complete deployment as the template describes it."""

    target_arn: str
    name: str
    components: dict[str, Any]
    policies: dict[str, Any]

    @classmethod
    def from_properties(cls, properties: dict[str, Any]) -> Self:
        """Read the resource's properties; the two documents are JSON text, so types survive."""
        return cls(
            properties["TargetArn"],
            properties["DeploymentName"],
            json.loads(properties["Components"]),
            json.loads(properties["DeploymentPolicies"]),
        )


def latest(greengrass: Any, target_arn: str) -> dict[str, Any] | None:
    """Return the target's current deployment, whoever made it, or None."""
    answer = greengrass.list_deployments(targetArn=target_arn, historyFilter="LATEST_ONLY")
    for summary in answer["deployments"]:
        deployment: dict[str, Any] = greengrass.get_deployment(deploymentId=summary["deploymentId"])
        return deployment
    return None


def ensure(greengrass: Any, wanted: Wanted) -> tuple[str, bool]:
    """Return the id of a live deployment equal to `wanted`, and whether it had to be created.

    An equal one that is the latest is taken: that makes a repeated request, and one that timed
    out after its success, a no-op.
    """
    current = latest(greengrass, wanted.target_arn)
    if current and current["deploymentStatus"] in _LIVE and _same(current, wanted):
        return str(current["deploymentId"]), False
    arguments = {"deploymentPolicies": wanted.policies} if wanted.policies else {}
    try:
        created = greengrass.create_deployment(
            targetArn=wanted.target_arn,
            deploymentName=wanted.name,
            components=wanted.components,
            **arguments,
        )
    except greengrass.exceptions.ClientError as error:
        message = error.response["Error"]["Message"]
        raise ResourceFailed(f"{wanted.target_arn}: no deployment was created: {message}") from None
    return str(created["deploymentId"]), True


def retire(greengrass: Any, deployment_id: str) -> None:
    """Cancel and delete a deployment; devices that took it keep its result."""
    greengrass.cancel_deployment(deploymentId=deployment_id)
    greengrass.delete_deployment(deploymentId=deployment_id)


def _same(current: dict[str, Any], wanted: Wanted) -> bool:
    return (
        current.get("components", {}) == wanted.components
        and (current.get("deploymentPolicies") or {}) == wanted.policies
    )
