"""Stop of a release: no further device receives the release until it is resumed."""

from botocore.exceptions import ClientError

from deeplens.fleet.errors import FleetError
from deeplens.fleet.session import FleetSession
from shared.fleet import deployments
from shared.fleet.deployments import STOPPED_TAG, Deployment


def current_deployments(session: FleetSession) -> list[Deployment]:
    """Return the latest release's deployments: those of its waves, or the fleet's deployment."""
    current = session.current()
    return deployments.waves_since(session.greengrass, current) or [current]


def stop_deployment(session: FleetSession, deployment: Deployment, reason: str) -> None:
    """Tag a deployment as stopped and cancel it; raise `FleetError` if the cancellation fails."""
    # The deployment is tagged before it is cancelled, because a waiting deploy reads the tag when
    # the deployment ends.
    tags = {STOPPED_TAG: deployments.tag_text(reason)}
    deployments.tag(session.greengrass, deployment, tags)
    try:
        session.greengrass.cancel_deployment(deploymentId=deployment.id)
    except ClientError as error:
        # A ConflictException occurs if the deployment was replaced or cancelled in the meantime.
        if error.response["Error"]["Code"] != "ConflictException":
            raise FleetError(
                f"{deployment.id} is tagged, but cannot be cancelled: {error}"
            ) from None


def resume_deployment(session: FleetSession, deployment: Deployment) -> None:
    """Remove the tag of a stopped deployment, so its release can be deployed again."""
    session.greengrass.untag_resource(resourceArn=deployment.arn, tagKeys=[STOPPED_TAG])
