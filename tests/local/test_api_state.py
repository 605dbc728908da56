"""The stacks of an environment are deployed, updated and destroyed; AWS' APIs return the effect.

The environment has the options of `EVERYTHING` and a code signing profile. The tests are steps and
run in this order. One update fails and is rolled back. No test relies on the status
`CREATE_COMPLETE` alone.
"""

import json
import os
import subprocess
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deeplens.config import load_environment
from deeplens.local.policies import create_policies
from testkit.account_keys import client, secret
from testkit.checkout import ROOT, Checkout
from testkit.waiting import eventually
from tests.synth.synthesis import EVERYTHING

pytestmark = [pytest.mark.emulator, pytest.mark.slow, pytest.mark.timeout(900)]

ACCOUNT, REGION = "444444444444", "eu-central-1"
BUCKET = f"deeplens-full-{ACCOUNT}-{REGION}"
FUNCTION = "deeplens-full-inference"
STACKS = ("ModelStore", "Devices", "Inference", "Monitoring", "DeepLensRoles")
# A section that adds a code signing configuration to each function; the emulator only stores the
# configuration.
SIGNING = f"""
[signing]
lambda_profile = "arn:aws:signer:{REGION}:{ACCOUNT}:/signing-profiles/Cameras/abcdef1234"
"""
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/DeepLensBoundary"


class Site:
    """An environment file, the `cdk` command for the environment, and clients of its account."""

    def __init__(self, checkout: Checkout) -> None:
        self._root = checkout.root
        self._folder = checkout.root / "sites"
        self._folder.mkdir()
        file = checkout.root / ".local/aws/endpoint.json"
        self._url = json.loads(file.read_text(encoding="utf-8"))["endpoint_url"]
        self._secret = secret(file, ACCOUNT)
        self._digest = load_environment(ROOT / "environments/dev.toml").model.digest
        self.change()

    def change(self, *replaced: tuple[str, str], more: str = "") -> None:
        """Write `EVERYTHING` and `SIGNING` with replacements, and then `more`, to the file."""
        everything = EVERYTHING.format(digest=self._digest) + SIGNING
        text = everything.replace('promoted_from = "dev"\n', "")
        for old, new in (
            ("object_lock_days = 30", "object_lock_days = 30\ntermination_protection = false"),
            *replaced,
        ):
            assert old in text
            text = text.replace(old, new)
        (self._folder / "full.toml").write_text(text + more, encoding="utf-8")

    def cdk(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOT / ".venv/bin/node", ROOT / "node_modules/aws-cdk/bin/cdk", *arguments,
             "-c", f"environments={self._folder}"],
            cwd=self._root,
            env={
                **os.environ,
                "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}",
                "AWS_ENDPOINT_URL": self._url,
                "AWS_ACCESS_KEY_ID": ACCOUNT,
                "AWS_SECRET_ACCESS_KEY": self._secret,
                "AWS_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true",
                "CDK_HOME": str(self._root / ".local/cdk"),
                "CDK_DISABLE_CLI_TELEMETRY": "true",
            },
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip

    def deploy(self) -> subprocess.CompletedProcess[str]:
        return self.cdk(
            "deploy", "full/*", "--require-approval=never", "--progress=events", "--concurrency=4"
        )

    def client(self, service: str) -> Any:
        return client(service, self._root / ".local/aws/endpoint.json", ACCOUNT, REGION)

    def statuses(self) -> dict[str, str]:
        pages = self.client("cloudformation").get_paginator("describe_stacks").paginate()
        return {
            stack["StackName"].removeprefix("full-"): stack["StackStatus"]
            for page in pages
            for stack in page["Stacks"]
            if stack["StackName"].startswith("full-")
        }

    def physical(self, stack: str, type_: str, begin: str = "") -> str:
        (found,) = self.all_physical(stack, type_, begin)
        return found

    def all_physical(self, stack: str, type_: str, begin: str = "") -> list[str]:
        answer = self.client("cloudformation").describe_stack_resources(StackName=f"full-{stack}")
        return [
            one["PhysicalResourceId"]
            for one in answer["StackResources"]
            if one["ResourceType"] == type_ and one["LogicalResourceId"].startswith(begin)
        ]

    def retention_days(self, stack: str, begin: str) -> int:
        group = self.physical(stack, "AWS::Logs::LogGroup", begin)
        listed = self.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        return int(listed[0]["retentionInDays"])

    def versions(self) -> list[str]:
        listed = self.client("lambda").list_versions_by_function(FunctionName=FUNCTION)["Versions"]
        return [one["Version"] for one in listed if one["Version"] != "$LATEST"]

    def code(self, version: str = "") -> str:
        qualifier = {"Qualifier": version} if version else {}
        found = self.client("lambda").get_function_configuration(FunctionName=FUNCTION, **qualifier)
        return str(found["CodeSha256"])

    def release(self, text: str) -> None:
        """Append a comment to the function's source, which changes the release."""
        handler = self._root / "lambda_src/inference/handler.py"
        original = (ROOT / "lambda_src/inference/handler.py").read_text(encoding="utf-8")
        handler.write_text(f"{original}\n# {text}\n", encoding="utf-8")


@pytest.fixture(scope="module")
def site(own_checkout: Checkout) -> Site:
    made = Site(own_checkout)
    policies = ",".join(create_policies(made.client("cloudformation")))
    bootstrapped = made.cdk(
        "bootstrap",
        f"aws://{ACCOUNT}/{REGION}",
        "--cloudformation-execution-policies",
        policies,
    )
    assert bootstrapped.returncode == 0, bootstrapped.stderr
    deployed = made.deploy()
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    return made


# The files that a release stores: the artifact, its provenance and its bill of materials.
_KEPT = ["model.zip", "provenance.intoto.json", "sbom.cdx.json"]


def test_every_stack_is_there(site: Site) -> None:
    assert site.statuses() == dict.fromkeys(STACKS, "CREATE_COMPLETE")


def test_cloudformation_has_the_policies_of_the_repository_and_no_others(site: Site) -> None:
    role = f"cdk-deeplens-cfn-exec-role-{ACCOUNT}-{REGION}"
    attached = site.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert sorted(one["PolicyArn"] for one in attached) == create_policies(
        site.client("cloudformation")
    )
    assert site.client("iam").list_role_policies(RoleName=role)["PolicyNames"] == []


def test_the_bucket_is_what_the_template_says(site: Site) -> None:
    s3 = site.client("s3")
    key = site.physical("ModelStore", "AWS::KMS::Key")
    answer = s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]
    (rule,) = answer["Rules"]
    assert rule["BucketKeyEnabled"] is True
    default = rule["ApplyServerSideEncryptionByDefault"]
    assert default["SSEAlgorithm"] == "aws:kms"
    assert default["KMSMasterKeyID"].endswith(key)
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    blocked = s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]
    assert set(blocked.values()) == {True}
    controls = s3.get_bucket_ownership_controls(Bucket=BUCKET)["OwnershipControls"]
    assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    logs = s3.get_bucket_logging(Bucket=BUCKET)["LoggingEnabled"]
    access_logs = site.physical("ModelStore", "AWS::S3::Bucket", "ModelsAccessLogs")
    assert (logs["TargetBucket"], logs["TargetPrefix"]) == (access_logs, "models/")
    lock = s3.get_object_lock_configuration(Bucket=BUCKET)["ObjectLockConfiguration"]
    assert lock["Rule"]["DefaultRetention"] == {"Mode": "GOVERNANCE", "Days": 30}
    rules = s3.get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    expiring = {one["Filter"]["Prefix"] for one in rules if "NoncurrentVersionExpiration" in one}
    assert expiring == {"datasets/", "headpose/"}
    tags = {one["Key"]: one["Value"] for one in s3.get_bucket_tagging(Bucket=BUCKET)["TagSet"]}
    assert (tags["team"], tags["deeplens:environment"]) == ("vision", "full")


def test_the_bucket_policy_denies_and_the_key_rotates(site: Site) -> None:
    policy = json.loads(site.client("s3").get_bucket_policy(Bucket=BUCKET)["Policy"])
    denials = {one.get("Sid"): one for one in policy["Statement"] if one["Effect"] == "Deny"}
    publisher = site.physical("ModelStore", "AWS::IAM::Role", "ModelsPublisherRole")
    condition = denials["OnlyThePublisherWritesComponents"]["Condition"]["ArnNotEquals"]
    assert condition["aws:PrincipalArn"].endswith(f"role/{publisher}")
    assert "s3:DeleteObjectVersion" in denials["ComponentsAreKept"]["Action"]
    assert "aws:SecureTransport" in json.dumps(policy)
    key = site.physical("ModelStore", "AWS::KMS::Key")
    assert site.client("kms").get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True


def test_the_artifact_is_where_the_component_says(site: Site) -> None:
    digest = load_environment(ROOT / "environments/dev.toml").model.digest
    listed = site.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="components/")["Contents"]
    keys = [one["Key"] for one in listed]
    assert f"components/shapes/{digest}/model.zip" in keys
    assert sorted(key.rpartition("/")[2] for key in keys) == _KEPT
    components = site.client("greengrassv2").list_components(scope="PRIVATE")["components"]
    assert {one["componentName"] for one in components} == {
        "deeplens.full.inference",
        "deeplens.full.model.shapes",
    }


def test_each_role_has_its_boundary_and_is_trusted_for_this_account(site: Site) -> None:
    iam = site.client("iam")
    roles = [
        iam.get_role(RoleName=name)["Role"]
        for stack in STACKS
        for name in site.all_physical(stack, "AWS::IAM::Role")
    ]
    assert len(roles) >= 10
    for role in roles:
        assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY, role["RoleName"]
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            if statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}:
                continue
            condition = statement["Condition"]["StringEquals"]
            assert condition["aws:SourceAccount"] == ACCOUNT


def test_devices_have_their_group_their_alias_and_its_role(site: Site) -> None:
    iot = site.client("iot")
    assert iot.describe_thing_group(thingGroupName="deeplens-full")["thingGroupArn"]
    for thing in ("full-camera-1", "full-camera-2"):
        assert iot.describe_thing(thingName=thing)["thingName"] == thing
    role = site.physical("Devices", "AWS::IAM::Role", "TokenExchange")
    alias = iot.describe_role_alias(roleAlias="deeplens-full-token-exchange")
    described = alias["roleAliasDescription"]
    assert described["roleArn"].endswith(f"role/{role}")
    assert described["credentialDurationSeconds"] == 3600
    attached = site.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert len(attached) == 1


def test_alarms_tell_an_encrypted_topic(site: Site) -> None:
    topic = site.physical("Monitoring", "AWS::SNS::Topic")
    attributes = site.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
    key = site.physical("Monitoring", "AWS::KMS::Key")
    assert attributes["KmsMasterKeyId"].endswith(key)
    assert "aws:SecureTransport" in attributes["Policy"]
    alarms = site.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert len(alarms) == len(site.all_physical("Monitoring", "AWS::CloudWatch::Alarm"))
    assert {tuple(one["AlarmActions"]) for one in alarms} == {(topic,)}
    rules = site.client("iot").list_topic_rules()["rules"]
    assert {one["ruleName"] for one in rules if not one["ruleDisabled"]} == {
        "deeplens_full_messages",
        "deeplens_full_heartbeats",
    }
    subscribed = site.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [one["Endpoint"] for one in subscribed] == ["ops@example.com"]


def test_an_update_changes_what_it_says_and_keeps_the_version_before(site: Site) -> None:
    assert site.retention_days("Monitoring", "MetricsLog") == 30
    assert site.versions() == ["1"]
    first = site.code("1")
    site.release("second")
    site.change(
        ("[monitoring]\n", "[monitoring]\nlog_retention_days = 90\n"),
        ("object_lock_days = 30", "object_lock_days = 60\nnoncurrent_version_days = 7"),
    )
    updated = site.deploy()
    assert updated.returncode == 0, updated.stdout + updated.stderr
    assert site.retention_days("Monitoring", "MetricsLog") == 90
    lock = site.client("s3").get_object_lock_configuration(Bucket=BUCKET)
    retention = lock["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert retention["Days"] == 60
    rules = site.client("s3").get_bucket_lifecycle_configuration(Bucket=BUCKET)["Rules"]
    days = {one.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays") for one in rules}
    assert days == {None, 7}
    assert site.versions() == ["1", "2"]
    assert site.code("1") == first != site.code("2") == site.code()


def test_an_update_that_fails_leaves_everything_as_it_was(site: Site) -> None:
    before, deployments = site.code(), _deployed(site)
    site.release("third")
    # The fleet has no camera, so no camera can run the release in time.
    site.change(
        ("[monitoring]\n", "[monitoring]\nlog_retention_days = 90\n"),
        ("object_lock_days = 30", "object_lock_days = 60\nnoncurrent_version_days = 7"),
        more="\n[rollout]\nminimum_devices = 1\nwait_seconds = 10\n"
        "[inference]\nlog_retention_days = 7\n",
    )
    failed = site.deploy()
    assert failed.returncode != 0, failed.stdout
    assert site.statuses()["Inference"] == "UPDATE_ROLLBACK_COMPLETE"
    assert site.code() == before
    assert {"1", "2"} <= set(site.versions())
    assert site.retention_days("Inference", "FunctionLog") == 30
    assert _deployed(site) == deployments
    others = {name: one for name, one in site.statuses().items() if name != "Inference"}
    assert all(one.endswith("_COMPLETE") and "ROLLBACK" not in one for one in others.values())


def test_a_deployment_that_fails_on_a_device_raises_its_alarm(site: Site) -> None:
    """A deployment that fails on a device sets the alarm for failed deployments to ALARM.

    The failure occurs long after the deploy. The test sends only the core's report; the template
    contains everything else.
    """
    iot, thing = site.client("iot"), "full-camera-1"
    group = iot.describe_thing_group(thingGroupName="deeplens-full")
    iot.add_thing_to_thing_group(thingGroupName="deeplens-full", thingName=thing)
    greengrass = site.client("greengrassv2")
    (newest,) = greengrass.list_deployments(
        targetArn=group["thingGroupArn"], historyFilter="LATEST_ONLY"
    )["deployments"]
    job = greengrass.get_deployment(deploymentId=newest["deploymentId"])["iotJobId"]
    document = json.loads(iot.get_job_document(jobId=job)["document"])
    report = {
        "status": "FAILED",
        "fleetConfigurationArnForStatus": document["configurationArn"],
        "statusDetails": {"detailedStatus": "FAILED_NO_STATE_CHANGE", "failureCause": "no room"},
    }
    topic = f"$aws/things/{thing}/greengrassv2/health/json"
    message = {"thing": thing, "timestamp": round(time.time() * 1000), "components": []}

    def state() -> str:
        listed = site.client("cloudwatch").describe_alarms()["MetricAlarms"]
        (alarm,) = (one for one in listed if "FailedDeployment" in one["AlarmName"])
        return str(alarm["StateValue"])

    assert state() == "OK"
    site.client("iot-data").publish(
        topic=topic, qos=1, payload=json.dumps({**message, "deploymentInformation": report})
    )
    eventually(lambda: state() == "ALARM", pause=0.2)


def _deployed(site: Site) -> dict[str, str]:
    """Return the component versions of the fleet's newest deployment, by name."""
    greengrass = site.client("greengrassv2")
    (newest,) = greengrass.list_deployments(
        targetArn=f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/deeplens-full",
        historyFilter="LATEST_ONLY",
    )["deployments"]
    found = greengrass.get_deployment(deploymentId=newest["deploymentId"])["components"]
    return {name: one["componentVersion"] for name, one in found.items()}


def test_what_is_destroyed_is_gone_but_the_models(site: Site) -> None:
    roles = [name for stack in STACKS for name in site.all_physical(stack, "AWS::IAM::Role")]
    key = site.physical("ModelStore", "AWS::KMS::Key")
    destroyed = site.cdk("destroy", "full/*", "--force", "--concurrency=4")
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert site.statuses() == {}
    listed = site.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="components/")
    assert listed["KeyCount"] == len(_KEPT)
    assert site.client("s3").get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert site.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    gone = [
        lambda: site.client("lambda").get_function(FunctionName=FUNCTION),
        lambda: site.client("iot").describe_thing_group(thingGroupName="deeplens-full"),
        lambda: site.client("iot").describe_thing(thingName="full-camera-1"),
        lambda: site.client("iot").describe_role_alias(roleAlias="deeplens-full-token-exchange"),
        *(
            lambda name=name: site.client("iam").get_role(RoleName=name)  # type: ignore[misc]
            for name in roles
        ),
    ]
    for ask in gone:
        with pytest.raises(ClientError, match=r"NotFound|NoSuchEntity|does not exist"):
            ask()
    assert site.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert site.client("iot").list_topic_rules()["rules"] == []
