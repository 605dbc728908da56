"""AWS::GreengrassV2::Deployment completes before the devices run the release.

Therefore the project has a custom resource. The emulator's CloudFormation creates, replaces and
rolls back a double of AWS' resource. The double makes the same calls as AWS' handler
(aws-cloudformation-resource-providers-greengrassv2: CreateHandler, DeleteHandler). All properties
except Tags are create-only, so an update replaces the resource.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from testkit.simulated_fleet.fault_model import FaultRates
from testkit.waiting import eventually
from tests.emulator.fleet.conftest import Site, digest
from tests.emulator.running_emulator import Emulator, create_role, publish_function

pytestmark = pytest.mark.emulator

MakeSite = Callable[..., Site]

PROVIDER = """
import json, time, urllib.request, boto3

def handle(event, context):
    status, reason, physical = "SUCCESS", "", event.get("PhysicalResourceId") or "none"
    try:
        physical = act(event, physical)
    except Exception as error:
        status, reason = "FAILED", str(error)
    body = json.dumps({
        "Status": status, "Reason": reason, "PhysicalResourceId": physical,
        "StackId": event["StackId"], "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }).encode()
    request = urllib.request.Request(event["ResponseURL"], body, method="PUT")
    urllib.request.urlopen(request, timeout=300)

def runs(thing, digest):
    shadow = boto3.client("iot-data").get_thing_shadow(thingName=thing, shadowName="deeplens")
    return json.load(shadow["payload"])["state"]["reported"]["model"]["digest"] == digest

def act(event, physical):
    properties, greengrass = event["ResourceProperties"], boto3.client("greengrassv2")
    if event["LogicalResourceId"] == "SmokeTest":
        if event["RequestType"] != "Delete" and properties["Finds"] != "nothing":
            while not all(runs(thing, properties["Digest"]) for thing in properties["Things"]):
                time.sleep(0.2)
            raise RuntimeError(properties["Finds"])
        return "smoke-test"
    if event["RequestType"] == "Delete":
        for call in (greengrass.cancel_deployment, greengrass.delete_deployment):
            try:
                call(deploymentId=physical)
            except greengrass.exceptions.ClientError:
                pass  # what is not there any more is noise in the clean-up
        return physical
    # A new id is a replacement: CloudFormation deletes the old resource when it cleans up.
    made = greengrass.create_deployment(
        targetArn=properties["TargetArn"],
        components=json.loads(properties["Components"]),
        deploymentPolicies={"failureHandlingPolicy": "ROLLBACK"},
    )
    greengrass.get_deployment(deploymentId=made["deploymentId"])
    return made["deploymentId"]
"""


@dataclass
class Stack:
    """A stack with a deployment, and a smoke test that can fail after the cameras' update."""

    cloudformation: Any
    site: Site
    provider: str
    name: str

    def template(self, version: int, finds: str = "nothing") -> str:
        components = {self.site.component: {"componentVersion": f"{version}.0.0"}}
        return json.dumps(
            {
                "Resources": {
                    "Deployment": {
                        "Type": "Custom::StandsForGreengrassV2Deployment",
                        "Properties": {
                            "ServiceToken": self.provider,
                            "TargetArn": self.site.group_arn,
                            "Components": json.dumps(components),
                        },
                    },
                    "SmokeTest": {
                        "Type": "Custom::SmokeTest",
                        "DependsOn": "Deployment",
                        "Properties": {
                            "ServiceToken": self.provider,
                            "Finds": finds,
                            "Digest": digest(version),
                            "Things": self.site.things,
                        },
                    },
                }
            }
        )

    def bring(self, operation: str, version: int, finds: str = "nothing") -> str:
        """Create or update the stack; return its final status."""
        call = getattr(self.cloudformation, operation)
        call(StackName=self.name, TemplateBody=self.template(version, finds))

        def final_status() -> str:
            [stack] = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"]
            status: str = stack["StackStatus"]
            return "" if status.endswith("_IN_PROGRESS") else status

        return eventually(final_status, "the stack is IN_PROGRESS", seconds=600, pause=0.2)


@pytest.fixture
def make_stack(aws: Emulator) -> Callable[[Site], Stack]:
    def make(site: Site) -> Stack:
        name = f"own-{uuid4().hex[:8]}"
        rights = {"Effect": "Allow", "Action": ["greengrass:*", "iot:*"], "Resource": "*"}
        role = create_role(aws, name, rights, service="lambda.amazonaws.com")
        provider = publish_function(aws, PROVIDER, role=role)
        return Stack(aws.client("cloudformation"), site, provider, name)

    return make


def wait_for(site: Site, expected: str) -> None:
    eventually(lambda: set(site.runs().values()) == {expected}, site.runs, pause=0.1)


def test_its_stack_is_complete_before_any_camera_moved(
    make_site: MakeSite, make_stack: Callable[[Site], Stack]
) -> None:
    site = make_site(3)
    # No core runs, but the stack completes.
    assert make_stack(site).bring("create_stack", 1) == "CREATE_COMPLETE"
    assert set(site.runs().values()) == {None}


def test_its_stack_is_complete_with_a_model_that_makes_no_frame(
    make_site: MakeSite, make_stack: Callable[[Site], Stack]
) -> None:
    site = make_site(3, v2=FaultRates(no_frames=1.0))
    stack = make_stack(site)
    with site.on():
        assert stack.bring("create_stack", 1) == "CREATE_COMPLETE"
        wait_for(site, digest(1))
        assert stack.bring("update_stack", 2) == "UPDATE_COMPLETE"
        wait_for(site, digest(2))


def test_its_roll_back_leaves_the_bad_model_on_the_whole_fleet(
    make_site: MakeSite, make_stack: Callable[[Site], Stack]
) -> None:
    site = make_site(3, v2=FaultRates(no_frames=1.0))
    stack = make_stack(site)
    with site.on():
        stack.bring("create_stack", 1)
        wait_for(site, digest(1))
        status = stack.bring("update_stack", 2, finds="dark cameras")
        assert status == "UPDATE_ROLLBACK_COMPLETE"
        # After the stack's rollback, the cameras still run the new release.
        time.sleep(5)
        assert set(site.runs().values()) == {digest(2)}
        live = [
            deployment
            for deployment in site.deployments()
            if deployment["deploymentStatus"] == "ACTIVE"
        ]
        # No deployment is active, so a camera that joins now receives none.
        assert live == []
