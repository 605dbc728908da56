"""The policies for people (`policies/people`), and the simulations of `deeplens fleet doctor`."""

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from deeplens.config import load_environment
from deeplens.fleet.doctor.simulation import needed
from local_aws.authorization.cloudformation import table
from tests.synth.synthesis import ROOT

FILES = sorted((ROOT / "policies/people").glob("*.json"))
MOST_CHARACTERS = 6144
# boto3's client names for services whose IAM prefix differs from the client name.
CLIENTS = {"greengrass": "greengrassv2", "servicequotas": "service-quotas"}
# The service and the operation that an IAM action with another name allows.
OPERATIONS = {
    "iot:GetThingShadow": ("iot-data", "GetThingShadow"),
    "s3:DeleteObjectVersion": ("s3", "DeleteObject"),
    "s3:GetBucketPublicAccessBlock": ("s3", "GetPublicAccessBlock"),
    "s3:GetEncryptionConfiguration": ("s3", "GetBucketEncryption"),
    "s3:GetLifecycleConfiguration": ("s3", "GetBucketLifecycleConfiguration"),
    "s3:ListAllMyBuckets": ("s3", "ListBuckets"),
    "s3:ListBucket": ("s3", "ListObjectsV2"),
    "s3:ListBucketMultipartUploads": ("s3", "ListMultipartUploads"),
    "s3:ListBucketVersions": ("s3", "ListObjectVersions"),
    "s3:PutBucketPublicAccessBlock": ("s3", "PutPublicAccessBlock"),
    "s3:PutEncryptionConfiguration": ("s3", "PutBucketEncryption"),
    "s3:PutLifecycleConfiguration": ("s3", "PutBucketLifecycleConfiguration"),
}


def statements(file: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["Statement"]
    return content


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_policy_fits_into_iam_and_names_single_actions(file: Path) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    assert len(json.dumps(document, separators=(",", ":"))) <= MOST_CHARACTERS
    for statement in statements(file):
        assert statement["Action"] == sorted(set(statement["Action"]))
        assert not any("*" in action for action in statement["Action"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_each_action_allows_an_operation_of_the_service(file: Path) -> None:
    session = botocore.session.get_session()
    # CloudFormation's resource types need these actions of the Service Authorization Reference.
    text = (ROOT / "local_aws/authorization/cloudformation/permissions.json").read_text(
        encoding="utf-8"
    )
    known = json.loads(text)["actions"]
    for action in (action for statement in statements(file) for action in statement["Action"]):
        if action in known:
            continue
        service, name = action.split(":")
        client, operation = OPERATIONS.get(action, (CLIENTS.get(service, service), name))
        assert operation in session.get_service_model(client).operation_names, action


def test_the_bootstrap_policy_attaches_only_known_policies() -> None:
    [attach] = [
        statement
        for statement in statements(ROOT / "policies/people/bootstrap.json")
        if "iam:AttachRolePolicy" in statement["Action"]
    ]
    allowed = attach["Condition"]["ArnLike"]["iam:PolicyARN"]
    # `cdk bootstrap` attaches these policies to its roles.
    assert allowed == [
        "arn:aws:iam::*:policy/DeepLensDeploy*",
        "arn:aws:iam::aws:policy/AWSCloudFormationReadOnlyAccess",
        "arn:aws:iam::aws:policy/ReadOnlyAccess",
    ]


def test_the_deploy_policy_only_assumes_the_roles_of_the_bootstrap() -> None:
    actions = {
        action
        for statement in statements(ROOT / "policies/people/deploy.json")
        for action in statement["Action"]
    }
    assert actions == {"sts:AssumeRole", "ssm:GetParameter"}


@pytest.mark.parametrize("name", ["dev", "production"])
def test_the_doctor_simulates_the_actions_of_cloudformations_schemas(name: str) -> None:
    types = {
        "role/": "AWS::IAM::Role",
        "policy/": "AWS::IAM::ManagedPolicy",
        ":::": "AWS::S3::Bucket",
        "function:": "AWS::Lambda::Function",
        "thinggroup/": "AWS::IoT::ThingGroup",
        "rolealias/": "AWS::IoT::RoleAlias",
        "alarm:": "AWS::CloudWatch::Alarm",
    }
    seen = set()
    for arn, actions in needed(load_environment(ROOT / f"environments/{name}.toml")):
        [type_] = [type_ for part, type_ in types.items() if part in arn]
        seen.add(type_)
        known = {action for step in table.row(type_).values() for action in step}
        if type_ == "AWS::S3::Bucket":
            known |= {
                action for step in table.row("AWS::S3::BucketPolicy").values() for action in step
            }
        assert set(actions) <= known, type_
    assert seen == set(types.values())
