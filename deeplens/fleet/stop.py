"""No further device gets the current release, until that is lifted."""

import time

from botocore.exceptions import ClientError

from deeplens.fleet.errors import FleetError
from deeplens.fleet.session import FleetSession
from shared.fleet import deployments
from shared.fleet.deployments import STOPPED_TAG, Deployment


def current_deployments(site: FleetSession) -> list[Deployment]:
    """Return the release that came last: its waves, or else the whole fleet's deployment."""
    current = site.current()
    return deployments.waves_since(site.greengrass, current) or [current]


def stop_deployment(site: FleetSession, one: Deployment, reason: str) -> None:
    """Mark a deployment as stopped, and cancel it; raise `FleetError` when it cannot be."""
    # The tag first: whoever waits reads it when the deployment ends.
    deployments.tag(site.greengrass, one, {STOPPED_TAG: tag_text(reason)})
    try:
        site.greengrass.cancel_deployment(deploymentId=one.id)
    except ClientError as error:
        # Superseded or cancelled meanwhile: there is nothing left to cancel.
        if error.response["Error"]["Code"] != "ConflictException":
            raise FleetError(f"{one.id} is marked, but cannot be cancelled: {error}") from None


def resume_deployment(site: FleetSession, one: Deployment) -> None:
    """Let a stopped release be deployed again."""
    site.greengrass.untag_resource(resourceArn=one.arn, tagKeys=[STOPPED_TAG])


def tag_text(reason: str) -> str:
    """Put the time before a reason, in what a tag may hold."""
    said = "".join(one if one.isalnum() or one in "+-=._:/@" else " " for one in reason)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return f"{stamp} {' '.join(said.split())}"[:256]
