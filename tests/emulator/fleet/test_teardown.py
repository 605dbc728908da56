"""`deeplens fleet teardown` deletes an environment, except objects that Object Lock protects.

The bucket and the key of protected objects also remain.
"""

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testkit.waiting import eventually
from tests.emulator.fleet.forked_deeplens import Cli, make_cli
from tests.emulator.running_emulator import ACCOUNT, REGION, ROOT, Emulator, recipe

pytestmark = pytest.mark.emulator


class Lab:
    """A small environment: a model store whose bucket policy protects the objects of components."""

    def __init__(self, aws: Emulator, cli: Cli, unique: str) -> None:
        self.aws, self.cli, self.name = aws, cli, f"t{unique[:8]}"
        self.bucket = f"deeplens-{self.name}-{ACCOUNT}-{REGION}"
        self.group = f"deeplens-{self.name}"
        self.description = f"DeepLens {self.name}: a part"
        self.tag = {"Key": "deeplens:environment", "Value": self.name}
        text = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
        text = text.replace("deeplens-dev", self.group)
        (cli.folder / f"environments/{self.name}.toml").write_text(text, encoding="utf-8")

    def template(self, *, locked: bool = False) -> dict[str, Any]:
        rules = [
            {
                "ServerSideEncryptionByDefault": {
                    "SSEAlgorithm": "aws:kms",
                    "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]},
                }
            }
        ]
        bucket = {
            "BucketName": self.bucket,
            "VersioningConfiguration": {"Status": "Enabled"},
            "BucketEncryption": {"ServerSideEncryptionConfiguration": rules},
            "Tags": [self.tag],
        }
        if locked:
            bucket["ObjectLockEnabled"] = True
            bucket["ObjectLockConfiguration"] = {"ObjectLockEnabled": "Enabled"}
        statement = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
            "Resource": f"arn:aws:s3:::{self.bucket}/components/*",
        }
        of_the_account = {
            "Effect": "Allow",
            "Principal": {"AWS": ACCOUNT},
            "Action": "kms:*",
            "Resource": "*",
        }
        return {
            "Description": self.description,
            "Resources": {
                "Key": {
                    "Type": "AWS::KMS::Key",
                    "DeletionPolicy": "Retain",
                    "Properties": {
                        "KeyPolicy": {"Version": "2012-10-17", "Statement": [of_the_account]}
                    },
                },
                "Bucket": {
                    "Type": "AWS::S3::Bucket",
                    "DeletionPolicy": "Retain",
                    "Properties": bucket,
                },
                "Policy": {
                    "Type": "AWS::S3::BucketPolicy",
                    "DeletionPolicy": "Retain",
                    "Properties": {
                        "Bucket": {"Ref": "Bucket"},
                        "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
                    },
                },
            },
        }

    def deploy(self, **options: Any) -> None:
        client = self.aws.client("cloudformation")
        name = f"{self.name}-ModelStore"
        client.create_stack(
            StackName=name,
            TemplateBody=json.dumps(self.template(**options)),
            EnableTerminationProtection=True,
        )
        eventually(
            lambda: (
                client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
                == "CREATE_COMPLETE"
            )
        )

    def teardown(self, *words: str, code: int = 0) -> str:
        return self.cli("teardown", self.name, *words, code=code)


def groups(iot: Any) -> list[dict[str, Any]]:
    pages = iot.get_paginator("list_thing_groups").paginate()
    return [group for page in pages for group in page["thingGroups"]]


@pytest.fixture
def lab(aws: Emulator, tmp_path: Path, unique: str) -> Lab:
    return Lab(aws, make_cli(aws, tmp_path), unique)


def test_everything_goes_with_all_versions_and_the_key_is_scheduled(
    lab: Lab, iot: Any, greengrass: Any
) -> None:
    lab.deploy()
    s3, kms = lab.aws.client("s3"), lab.aws.client("kms")
    for content in (b"one", b"two"):
        s3.put_object(Bucket=lab.bucket, Key="components/x/model.zip", Body=content)
    s3.put_object(Bucket=lab.bucket, Key="datasets/x", Body=b"x")
    s3.delete_object(Bucket=lab.bucket, Key="datasets/x")
    s3.create_multipart_upload(Bucket=lab.bucket, Key="datasets/unfinished")
    rules = s3.get_bucket_encryption(Bucket=lab.bucket)["ServerSideEncryptionConfiguration"]
    key = rules["Rules"][0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    own_wave = f"deeplens-{lab.name}-wave-1-of-{lab.group}"
    other_waves = {
        f"deeplens-{lab.name}-wave-1-of-{lab.group}2",
        f"deeplens-{lab.name}-wave-of-{lab.group}",
    }
    for group in (lab.group, own_wave, *other_waves):
        iot.create_thing_group(thingGroupName=group)
    iot.create_thing(thingName=f"{lab.name}-cam")
    iot.add_thing_to_thing_group(thingGroupName=lab.group, thingName=f"{lab.name}-cam")
    for component in (f"deeplens.{lab.name}.x", f"deeplens.{lab.name}2.x"):
        for version in ("1.0.0", "2.0.0"):
            greengrass.create_component_version(
                inlineRecipe=json.dumps(recipe(component, version)).encode()
            )
    logs = lab.aws.client("logs")
    own_logs = {
        f"/aws/lambda/{lab.name}-Inference-Handler-1",
        # The environment file does not enable monitoring, but the log group of an earlier
        # monitoring function exists.
        f"/aws/lambda/{lab.name}-Monitoring-Metrics-1",
        f"/aws/lambda/deeplens-{lab.name}-inference",
    }
    other_logs = {
        f"/aws/lambda/{lab.name}er-Inference-Handler-1",
        f"/aws/lambda/{lab.name}-Inference-2-Handler-1",
        f"/aws/lambda/deeplens-{lab.name}-2-inference",
    }
    for group in own_logs | other_logs:
        logs.create_log_group(logGroupName=group)

    lab.teardown("--yes")

    assert lab.bucket not in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_thing(thingName=f"{lab.name}-cam")
    # Resources of other environments remain, even if their names are similar.
    left = {group["groupName"] for group in groups(iot) if "-wave-" in group["groupName"]}
    assert {name for name in left if lab.group in name} == other_waves
    pages = greengrass.get_paginator("list_components").paginate(scope="PRIVATE")
    components = [component["componentName"] for page in pages for component in page["components"]]
    names = {name for name in components if lab.name in name}
    assert names == {f"deeplens.{lab.name}2.x"}
    pages = logs.get_paginator("describe_log_groups").paginate()
    log_groups = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    assert {name for name in log_groups if lab.name in name} == other_logs
    assert f"nothing of {lab.name} exists" in lab.teardown()


@pytest.mark.parametrize("part", ["Devices", "Hosting"])
def test_nothing_is_deleted_if_a_stack_of_that_name_is_of_others(lab: Lab, part: str) -> None:
    lab.deploy()
    client, name = lab.aws.client("cloudformation"), f"{lab.name}-{part}"
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    content = {"Description": "Topics of others", "Resources": topic}
    client.create_stack(StackName=name, TemplateBody=json.dumps(content))
    error = lab.teardown("--yes", code=1)
    assert f"the stack {name} is not of {lab.name}: expected a description" in error
    for stack_name in (name, f"{lab.name}-ModelStore"):
        (stack,) = client.describe_stacks(StackName=stack_name)["Stacks"]
        assert stack["StackStatus"].startswith("CREATE")


def test_a_stack_that_the_file_no_longer_enables_is_deleted(lab: Lab) -> None:
    client, name = lab.aws.client("cloudformation"), f"{lab.name}-Hosting"
    topic = {"Type": "AWS::SNS::Topic"}
    content = {"Description": lab.description, "Resources": {"Topic": topic}}
    client.create_stack(StackName=name, TemplateBody=json.dumps(content))
    assert f"deleted the stack {name}" in lab.teardown("--yes")
    assert f"nothing of {lab.name} exists" in lab.teardown()


def test_nothing_is_deleted_without_the_name(lab: Lab) -> None:
    lab.deploy()
    s3 = lab.aws.client("s3")
    s3.put_object(Bucket=lab.bucket, Key="components/x/model.zip", Body=b"x")
    assert lab.bucket in lab.teardown("--dry-run")
    done = subprocess.run(
        [ROOT / ".venv/bin/deeplens", "fleet", "teardown", lab.name],
        cwd=lab.cli.folder,
        env=lab.cli.environment,
        input="yes\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"Type {lab.name} to delete" in done.stderr
    assert s3.list_object_versions(Bucket=lab.bucket)["Versions"]
    lab.teardown("--yes")


def test_what_object_lock_protects_remains_with_its_bucket_and_key(lab: Lab) -> None:
    lab.deploy(locked=True)
    s3, kms = lab.aws.client("s3"), lab.aws.client("kms")
    s3.put_object(Bucket=lab.bucket, Key="free", Body=b"x")
    s3.put_object(
        Bucket=lab.bucket,
        Key="components/locked",
        Body=io.BytesIO(b"x"),
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate="2100-01-01T00:00:00Z",
        ChecksumAlgorithm="SHA256",
    )
    printed = lab.teardown("--yes", code=4)
    assert f"remains: the bucket {lab.bucket} with 1 version(s)" in printed
    left = s3.list_object_versions(Bucket=lab.bucket)["Versions"]
    assert [version["Key"] for version in left] == ["components/locked"]
    rules = s3.get_bucket_encryption(Bucket=lab.bucket)["ServerSideEncryptionConfiguration"]
    key = rules["Rules"][0]["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"]
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_stack_that_cannot_be_deleted_is_one_error_and_the_command_continues_later(
    lab: Lab, iot: Any
) -> None:
    client = lab.aws.client("cloudformation")
    fleet = {"Type": "AWS::IoT::ThingGroup", "Properties": {"ThingGroupName": lab.group}}
    client.create_stack(
        StackName=f"{lab.name}-Devices",
        TemplateBody=json.dumps({"Description": lab.description, "Resources": {"Fleet": fleet}}),
    )
    eventually(lambda: lab.group in {group["groupName"] for group in groups(iot)})
    # A group that a user created inside the fleet's group blocks the deletion.
    iot.create_thing_group(thingGroupName=f"{lab.group}-east", parentGroupName=lab.group)

    printed = lab.teardown("--yes", code=1)
    assert f"the stack {lab.name}-Devices is in DELETE_FAILED: Fleet: " in printed
    assert "run the same command again" in printed
    iot.delete_thing_group(thingGroupName=f"{lab.group}-east")
    lab.teardown("--yes")
    assert f"nothing of {lab.name} exists" in lab.teardown()


def test_a_bucket_of_that_name_without_the_tag_is_left_alone(lab: Lab) -> None:
    s3 = lab.aws.client("s3")
    s3.create_bucket(Bucket=lab.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    assert f"nothing of {lab.name} exists" in lab.teardown("--yes")
    assert lab.bucket in {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
