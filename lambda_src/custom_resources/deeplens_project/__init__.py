"""`Custom::DeepLensProject`: a release on a fleet, done when the cameras say so.

`AWS::GreengrassV2::Deployment` is complete as soon as the API answered. This resource creates the
deployment, waits for the devices' own word, and on CloudFormation's roll-back, which asks for the
previous properties, deploys the previous complete set again.
"""

from typing import Any

import boto3

from cloudformation import Request, ResourceFailed, Result, answering
from deeplens_project import deployments, fleet, waiting


def bring_about(request: Request) -> Result:
    """Handle one request; raise `ResourceFailed` when the cameras do not get there in time."""
    properties = request.properties
    greengrass = boto3.client("greengrassv2")
    cameras = fleet.Fleet(
        iot=boto3.client("iot"),
        iot_data=boto3.client("iot-data"),
        greengrass=greengrass,
        thing_group=properties["ThingGroupName"],
    )
    physical_id = f"deeplens-project/{properties['ProjectName']}"
    if request.type == "Delete":
        return _remove(request, greengrass, cameras, physical_id)
    wanted = deployments.Wanted.from_properties(properties)
    deployment_id, is_new = deployments.ensure(greengrass, wanted)
    verdict = waiting.wait_for(
        cameras,
        waiting.Goal(deployment_id, properties["ModelDigest"], properties["FunctionArn"], is_new),
        min(float(properties["WaitSeconds"]), _usable_seconds(request)),
    )
    if verdict.failed:
        raise ResourceFailed(verdict.explain())
    return Result(physical_id, {"DeploymentId": deployment_id, "Status": verdict.explain()})


def _remove(request: Request, greengrass: Any, cameras: fleet.Fleet, physical_id: str) -> Result:
    """Take the components off the cameras that can be reached, then retire the deployment."""
    properties = request.properties
    target = properties["TargetArn"]
    if deployments.latest(greengrass, target) is None:
        return Result(request.physical_id or physical_id)
    nothing = deployments.Wanted(target, properties["DeploymentName"], {}, {})
    deployment_id, is_new = deployments.ensure(greengrass, nothing)
    verdict = waiting.wait_for(
        cameras,
        waiting.Goal(deployment_id, None, None, is_new),
        min(float(properties["WaitSeconds"]), _usable_seconds(request)),
    )
    if verdict.failed:
        raise ResourceFailed(verdict.explain())
    if not verdict.offline:
        deployments.retire(greengrass, deployment_id)
    return Result(request.physical_id or physical_id)


def _usable_seconds(request: Request) -> float:
    """Seconds to wait that leave time to answer before Lambda's own limit."""
    return max(request.remaining_seconds() - 30.0, 1.0)


handler = answering(bring_about)
