"""S3 copies, environments of Lambda functions, role aliases and IoT stacks work as on AWS."""

import base64
import hashlib
import json
import time
from typing import Any

import pytest

from tests.emulator.running_emulator import ACCOUNT, REGION, Emulator

pytestmark = pytest.mark.emulator

SHA256 = base64.b64encode(hashlib.sha256(b"model").digest()).decode()


def test_a_copy_computes_the_checksum_that_is_asked_for(aws: Emulator, bucket: str) -> None:
    s3 = aws.client("s3")
    s3.put_object(Bucket=bucket, Key="a", Body=b"model")
    source = {"Bucket": bucket, "Key": "a"}
    copied = s3.copy_object(Bucket=bucket, Key="b", CopySource=source, ChecksumAlgorithm="SHA256")
    assert copied["CopyObjectResult"]["ChecksumSHA256"] == SHA256
    head = s3.head_object(Bucket=bucket, Key="b", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == SHA256


def test_a_conditional_copy_never_overwrites(aws: Emulator, bucket: str) -> None:
    s3 = aws.client("s3")
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    with pytest.raises(s3.exceptions.ClientError, match="PreconditionFailed"):
        s3.copy_object(
            Bucket=bucket, Key="b", CopySource={"Bucket": bucket, "Key": "a"}, IfNoneMatch="*"
        )
    assert s3.get_object(Bucket=bucket, Key="b")["Body"].read() == b"b"


def test_a_function_finds_the_emulator_as_its_own_account(aws: Emulator, function_arn: str) -> None:
    answer = aws.client("lambda").invoke(FunctionName=function_arn)
    assert json.load(answer["Payload"]) == {"account": ACCOUNT, "region": REGION}


def test_role_aliases_are_created_once_updated_listed_and_deleted(iot: Any, unique: str) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/{unique}"
    iot.create_role_alias(roleAlias=unique, roleArn=role)
    with pytest.raises(iot.exceptions.ResourceAlreadyExistsException):
        iot.create_role_alias(roleAlias=unique, roleArn=role)
    iot.update_role_alias(roleAlias=unique, credentialDurationSeconds=900)
    description = iot.describe_role_alias(roleAlias=unique)["roleAliasDescription"]
    assert (description["roleArn"], description["credentialDurationSeconds"]) == (role, 900)
    assert unique in iot.list_role_aliases()["roleAliases"]
    iot.delete_role_alias(roleAlias=unique)
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_role_alias(roleAlias=unique)


def test_cloudformation_makes_the_fleets_resources(aws: Emulator, iot: Any, unique: str) -> None:
    template = {
        "Resources": {
            "Alias": {
                "Type": "AWS::IoT::RoleAlias",
                "Properties": {
                    "RoleAlias": unique,
                    "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{unique}",
                },
            },
            "Group": {
                "Type": "AWS::IoT::ThingGroup",
                "Properties": {"ThingGroupName": unique},
            },
            "Policy": {
                "Type": "AWS::IoT::Policy",
                "Properties": {
                    "PolicyName": unique,
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": "iot:AssumeRoleWithCertificate",
                                "Resource": {"Fn::GetAtt": ["Alias", "RoleAliasArn"]},
                            }
                        ],
                    },
                },
            },
        },
        "Outputs": {"Alias": {"Value": {"Ref": "Alias"}}},
    }
    cloudformation = aws.client("cloudformation")
    stack = f"fleet-{unique}"
    cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(template))
    assert _settled(cloudformation, stack) == "CREATE_COMPLETE"
    arn = iot.describe_role_alias(roleAlias=unique)["roleAliasDescription"]["roleAliasArn"]
    assert arn in iot.get_policy(policyName=unique)["policyDocument"]
    assert iot.describe_thing_group(thingGroupName=unique)["thingGroupName"] == unique

    template["Resources"]["Alias"]["Properties"]["CredentialDurationSeconds"] = 900  # type: ignore[index]
    cloudformation.update_stack(StackName=stack, TemplateBody=json.dumps(template))
    assert _settled(cloudformation, stack) == "UPDATE_COMPLETE"
    description = iot.describe_role_alias(roleAlias=unique)["roleAliasDescription"]
    assert description["credentialDurationSeconds"] == 900

    cloudformation.delete_stack(StackName=stack)
    assert _settled(cloudformation, stack) == "DELETE_COMPLETE"
    with pytest.raises(iot.exceptions.ResourceNotFoundException):
        iot.describe_role_alias(roleAlias=unique)


def _settled(cloudformation: Any, stack: str) -> str:
    while True:
        try:
            status = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"]
        except cloudformation.exceptions.ClientError:
            return "DELETE_COMPLETE"
        if not status.endswith("_IN_PROGRESS"):
            return str(status)
        time.sleep(0.1)
