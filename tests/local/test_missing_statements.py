"""If a principal lacks one statement, the process that uses the statement reports the denial.

Each process then runs again with the statement. tests/policy/test_access_table.py removes every
statement, and evaluates the recorded calls.
"""

import json
import os
import re
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from local_aws.core_device.layout import Identity, Layout
from local_aws.core_device.provisioning import provision
from model_tools.samples.shapes.drawing import write_scenes
from testkit.account_keys import client, secret
from testkit.checkout import ROOT, Checkout
from testkit.waiting import eventually
from tests.local.cores import full_cores
from tests.local.grants import RoleGrants, device_policy_without

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.walk,
    pytest.mark.timeout(1200),
]

ACCOUNT, REGION = "111111111111", "eu-central-1"
# The suffix of the names of the bootstrap's roles and bucket.
BOOTSTRAP = f"{ACCOUNT}-{REGION}"
THING, GROUP = "dev-camera-1", "deeplens-dev"
LOCAL_AWS = (ROOT / ".venv-local-aws/bin/python", "-m", "local_aws")
CDK = (ROOT / ".venv/bin/node", ROOT / "node_modules/aws-cdk/bin/cdk")
NOT_AS_PLANNED = 4
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class Site:
    """The deployed environment dev on a separate emulator."""

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout
        self._endpoint = checkout.root / ".local/aws/endpoint.json"

    def client(self, service: str) -> Any:
        return client(service, self._endpoint, ACCOUNT, REGION)

    def grants(self, role: str) -> RoleGrants:
        return RoleGrants(self.client("iam"), role)

    def outputs(self, stack: str) -> dict[str, str]:
        [found] = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in found["Outputs"]}

    def run(
        self, *command: str | Path, credentials: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """Run a command, by default as the account's root; return its exit code and output."""
        endpoint = json.loads(self._endpoint.read_text(encoding="utf-8"))
        root = {
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": secret(self._endpoint, ACCOUNT),
        }
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("AWS_")
        }
        done = subprocess.run(
            command,
            cwd=self.checkout.root,
            env={
                **inherited,
                "PYTHONPATH": str(self.checkout.root),
                "AWS_ENDPOINT_URL": endpoint["endpoint_url"],
                "AWS_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true",
                "CDK_HOME": str(self.checkout.root / ".local/cdk"),
                "CDK_DISABLE_CLI_TELEMETRY": "true",
                **(credentials or root),
            },
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def deploy(self, stack: str) -> tuple[int, str]:
        """Run `cdk deploy` for one stack, even without changes; return the exit code and output."""
        return self.run(
            *CDK, "deploy", stack, "--app=cdk.out", "--exclusively", "--force", "--method=direct",
            "--require-approval=never",
        )  # fmt: skip

    def gate(self) -> tuple[int, str]:
        """Check dev's release with the bootstrap's lookup role; return the exit code and output."""
        role = f"arn:aws:iam::{ACCOUNT}:role/cdk-deeplens-lookup-role-{BOOTSTRAP}"
        return self.run(
            ROOT / ".venv/bin/deeplens", "release", "check", "dev", "--assume-role", role
        )


class Stack:
    """A deployed stack; its updates use the role of the last deploy."""

    def __init__(self, site: Site, name: str) -> None:
        self._client, self._name = site.client("cloudformation"), name
        body = self._client.get_template(StackName=name)["TemplateBody"]
        self._template: dict[str, Any] = body if isinstance(body, dict) else json.loads(body)

    def properties(self, prefix: str) -> dict[str, Any]:
        """Return the properties of a resource whose logical id starts with `prefix`.

        If several ids match, the shortest id applies.
        """
        names = [name for name in self._template["Resources"] if name.startswith(prefix)]
        found: dict[str, Any] = self._template["Resources"][min(names, key=len)]["Properties"]
        return found

    def update(self) -> tuple[str, str]:
        """Update the stack; return its final status, and the reasons in the update's events."""
        before = {one["EventId"] for one in self._events()}
        self._client.update_stack(
            StackName=self._name,
            TemplateBody=json.dumps(self._template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        status = eventually(self._ended, f"the update of {self._name} does not end", seconds=400)
        reasons = [
            one.get("ResourceStatusReason", "")
            for one in self._events()
            if one["EventId"] not in before
        ]
        return status, "\n".join(reason for reason in reasons if reason)

    def _ended(self) -> str:
        [found] = self._client.describe_stacks(StackName=self._name)["Stacks"]
        status = str(found["StackStatus"])
        return "" if status.endswith("_IN_PROGRESS") else status

    def _events(self) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = self._client.describe_stack_events(StackName=self._name)[
            "StackEvents"
        ]
        return events


def assert_denial(text: str, role: str, action: str, resource: str) -> None:
    """Check that a text contains AWS' denial of an action to a role's session.

    `role` is a prefix of the role's name, and `resource` of the resource's ARN.
    """
    message = (
        rf"User: arn:aws:sts::{ACCOUNT}:assumed-role/{role}[^/ ]*/\S+ is not authorized to perform:"
        rf' {action} on resource: \\?"?{re.escape(resource)}\S* because no identity-based policy'
    )
    assert re.search(message, text), text


@pytest.fixture(scope="module")
def site(deployed: Checkout) -> Site:
    return Site(deployed)


def test_the_role_of_the_components(site: Site) -> None:
    stack = Stack(site, "dev-Inference")
    component = stack.properties("ComponentsInference")
    version = f'".{uuid4().int % 10**6}.{uuid4().int % 10**6}'
    for name in ("Arn", "LambdaFunction"):
        text = re.sub(r'"\.\d+\.\d+', version, json.dumps(component[name]), count=1)
        component[name] = json.loads(text)
    role = "dev-Inference-ComponentsHandlerRole"
    reasons = failing_without(site, stack, role, "ReadPublishedVersions")
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:deeplens-dev-inference:"
    assert_denial(reasons, role, "lambda:GetFunction", function)


def test_the_role_of_the_publisher(site: Site) -> None:
    stack = Stack(site, "dev-Inference")
    artifact = stack.properties("ArtifactSbom")
    # No object has this key, so the publisher must copy the asset.
    artifact["Key"] = re.sub(r"[^/]+$", uuid4().hex, artifact["Key"])
    role = "dev-ModelStore-ModelsPublisherRole"
    reasons = failing_without(site, stack, role, "ReadAsset")
    assert_denial(reasons, role, "s3:GetObject", f"arn:aws:s3:::cdk-deeplens-assets-{BOOTSTRAP}/")


def test_the_role_of_cloudformation(site: Site) -> None:
    stack = Stack(site, "dev-Monitoring")
    log = stack.properties("MetricsLog")
    log["RetentionInDays"] = 5 if log["RetentionInDays"] == 3 else 3
    role = f"cdk-deeplens-cfn-exec-role-{BOOTSTRAP}"
    reasons = failing_without(site, stack, role, "Logs")
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:dev-Monitoring-MetricsLog"
    assert_denial(reasons, role, "logs:(Put|Delete)RetentionPolicy", group)


def test_the_roles_with_which_cdk_deploys(site: Site) -> None:
    publishing = f"cdk-deeplens-file-publishing-role-{BOOTSTRAP}"
    bucket = f"cdk-deeplens-assets-{BOOTSTRAP}"
    assets = (site.checkout.root / "cdk.out/assembly-dev").glob("devMonitoring*.assets.json")
    for file in json.loads(next(assets).read_text(encoding="utf-8"))["files"].values():
        for destination in file["destinations"].values():
            site.client("s3").delete_object(Bucket=bucket, Key=destination["objectKey"])
    # The test removes only this action: without the complete statement, CDK cannot read the
    # bucket's Region, and hides AWS' message.
    with site.grants(publishing).without_action("s3:PutObject*"):
        code, text = site.deploy("dev/Monitoring")
    assert code == 1, text
    assert_denial(text, publishing, "s3:PutObject", f"arn:aws:s3:::{bucket}/")
    deploying = f"cdk-deeplens-deploy-role-{BOOTSTRAP}"
    with site.grants(deploying).without("DeployPermissions"):
        code, text = site.deploy("dev/Monitoring")
    assert code == 1, text
    stack = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/dev-Monitoring/"
    assert_denial(text, deploying, "cloudformation:UpdateStack", stack)
    code, text = site.deploy("dev/Monitoring")
    assert code == 0, text


class Person:
    """A role with the policies in files of `policies/people`, and a session of the role."""

    def __init__(self, site: Site, *files: str) -> None:
        self._site, self.name = site, f"person-{uuid4().hex}"
        iam = site.client("iam")
        role = iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps(TRUST))
        for file in files:
            document = (ROOT / f"policies/people/{file}.json").read_text(encoding="utf-8")
            iam.put_role_policy(RoleName=self.name, PolicyName=file, PolicyDocument=document)
        session = site.client("sts").assume_role(
            RoleArn=role["Role"]["Arn"], RoleSessionName="person"
        )["Credentials"]
        self.credentials = {
            "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
            "AWS_SESSION_TOKEN": session["SessionToken"],
        }

    def run(self, *command: str | Path, without: str = "") -> tuple[int, str]:
        """Run a command, without the statement `without` if set; return exit code and output."""
        with ExitStack() as stack:
            if without:
                stack.enter_context(self._site.grants(self.name).without(without))
            return self._site.run(*command, credentials=self.credentials)


def test_a_person_with_the_policy_for_fleets(site: Site) -> None:
    person, fleet = Person(site, "fleet"), (ROOT / ".venv/bin/deeplens", "fleet")
    code, text = person.run(*fleet, "status", "dev", without="SeeTheFleet")
    assert code == 1, text
    assert_denial(text, person.name, "greengrass:ListDeployments", "*")
    code, text = person.run(*fleet, "provision", "dev", "spare", without="DevicesJoin")
    assert code == 1, text
    assert_denial(text, person.name, "iot:CreateCertificateFromCsr", "*")
    code, text = person.run(*fleet, "status", "dev")
    assert text.startswith(f"{GROUP}: "), text
    for arguments in (("provision", "dev", "spare"), ("retire", "dev", "spare", "--yes")):
        code, text = person.run(*fleet, *arguments)
        assert code == 0, text


def test_a_person_with_the_policy_for_deploys(site: Site) -> None:
    person = Person(site, "deploy")
    command = [*CDK, "diff", "dev/Monitoring", "--app=cdk.out", "--exclusively"]
    code, text = person.run(*command, without="DeployByTheRolesOfTheToolkit")
    assert code == 1, text
    # CDK continues without the role, but the person has no other permissions.
    assert "could not be used to assume 'arn:aws:iam::" in text
    stack = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/dev-Monitoring/"
    assert_denial(text, person.name, "cloudformation:DescribeStacks", stack)
    code, text = person.run(*command)
    assert code == 0, text


def test_a_person_with_the_policy_for_models(site: Site) -> None:
    person = Person(site, "models")
    command = (ROOT / ".venv/bin/deeplens", "release", "list")
    code, text = person.run(*command, without="SeeReleasesOfTheFleet")
    assert_denial(text, person.name, "greengrass:ListDeployments", "*")
    code, text = person.run(*command)
    assert "not authorized" not in text
    # The other environments are in other accounts, for which the person has no credentials.
    assert (code, text.count("not known: ")) == (1, 2)


def test_the_certificate_of_a_device(site: Site) -> None:
    devices = site.outputs("dev-Devices")
    policy = devices["CoreDevicePolicyName"]
    identity = Identity("unheard", GROUP, ACCOUNT, REGION, devices["RoleAliasName"], "")
    layout = Layout.of("unheard", site.checkout.root / ".local/cores")
    iot = site.client("iot")
    provision(iot, layout, identity, policy)
    with device_policy_without(iot, policy, "iot:Connect"):
        code, text = site.run(*LOCAL_AWS, "core", "run", "--thing", "unheard")
    assert code == 1, text
    # AWS IoT closes the connection without a reason, so the core prints the usual cause, and the
    # emulator's log contains the reason.
    assert "the certificate's policies do not allow iot:Connect on client/unheard" in text
    log = (site.checkout.root / ".local/aws/server.log").read_text(encoding="utf-8")
    assert "policies do not allow iot:Connect on client/unheard" in log
    iot.remove_thing_from_thing_group(thingGroupName=GROUP, thingName="unheard")


def test_a_device_its_metrics_its_project_and_its_gate(site: Site) -> None:
    """Device, metrics function, project and gate report a denial if a permission is missing.

    With the permission, the device, the project and the gate succeed.
    """
    write_scenes(site.checkout.root / ".local/scenes", 2, seed=0)
    devices = site.outputs("dev-Devices")
    token, metrics = "dev-Devices-TokenExchangeRole", "dev-Monitoring-MetricsRole"
    with (
        site.grants(token).without("DownloadComponents"),
        site.grants(metrics).without("ReadOwnersOfDeployments"),
        full_cores(site.checkout, 1, devices),
    ):
        reason = eventually(lambda: reason_of_failure(site), "the deployment does not fail")
        line = eventually(lambda: line_of_failure(site), "the failure is not counted")
        code, text = site.run(ROOT / ".venv/bin/deeplens", "fleet", "status", "dev")
    artifact = f"arn:aws:s3:::deeplens-dev-{BOOTSTRAP}/components/shapes/"
    assert_denial(reason, token, "s3:GetObject", artifact)
    assert code == NOT_AS_PLANNED, text
    assert_denial(text, token, "s3:GetObject", artifact)
    deployments = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:deployments:"
    assert_denial(line, metrics, "greengrass:ListTagsForResource", deployments)

    stack = Stack(site, "dev-Inference")
    properties = stack.properties("Project")
    policies = json.loads(properties["DeploymentPolicies"])
    policies["componentUpdatePolicy"]["timeoutInSeconds"] += 1
    properties["DeploymentPolicies"] = json.dumps(policies)
    project = "dev-Inference-ProjectHandlerRole"
    lookup = f"cdk-deeplens-lookup-role-{BOOTSTRAP}"
    with full_cores(site.checkout, 1, devices):
        reasons = failing_without(site, stack, project, "CreateDeployments")
        assert_denial(reasons, project, "greengrass:CreateDeployment", "*")
        verdict = site.outputs("dev-Inference")["ProjectStatus"]
        assert verdict == "1 of 1 reachable devices run the release"

        with site.grants(lookup).without_policy("ReadOnlyAccess"):
            code, text = site.gate()
        assert code == 1, text
        assert_denial(text, lookup, "greengrass:ListDeployments", "*")
        code, text = site.gate()
        assert code == 0, text


def test_a_person_with_the_policy_for_teardown(site: Site) -> None:
    """Without the permission to delete stacks, a teardown fails after it has retired the devices.

    This test is the last one, because no device remains. test_first_camera_page.py runs a complete
    teardown.
    """
    person, fleet = Person(site, "fleet", "teardown"), (ROOT / ".venv/bin/deeplens", "fleet")
    code, text = person.run(
        *fleet, "teardown", "dev", "--yes", without="cloudformation:DeleteStack"
    )
    assert code == 1, text
    stack = f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/dev-"
    assert_denial(
        text, person.name, "cloudformation:(DeleteStack|UpdateTerminationProtection)", stack
    )


def failing_without(site: Site, stack: Stack, role: str, statement: str) -> str:
    """Update a stack without a role's statement, and then with the statement.

    Returns the reasons of the failed update.
    """
    with site.grants(role).without(statement):
        status, reasons = stack.update()
    assert status == "UPDATE_ROLLBACK_COMPLETE", reasons
    restored, why = stack.update()
    assert restored == "UPDATE_COMPLETE", why
    return reasons


def reason_of_failure(site: Site) -> str:
    """Return the reason of the failed deployment on the device, or an empty string."""
    greengrass = site.client("greengrassv2")
    with suppress(greengrass.exceptions.ResourceNotFoundException):
        listed = greengrass.list_effective_deployments(coreDeviceThingName=THING)
        for deployment in listed["effectiveDeployments"]:
            if deployment["coreDeviceExecutionStatus"] == "FAILED":
                return str(deployment["reason"])
    return ""


def line_of_failure(site: Site) -> str:
    """Return the log line of the metrics function about a failed deployment, or an empty string."""
    group = site.outputs("dev-Monitoring")["LogGroupName"]
    events = site.client("logs").filter_log_events(logGroupName=group)["events"]
    lines = (str(event["message"]) for event in events)
    return next((line for line in lines if "failed-deployment" in line), "")
