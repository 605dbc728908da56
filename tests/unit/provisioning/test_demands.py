"""Each step of a resource's life cycle requires the actions of CloudFormation's resource schema."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.authorization.cloudformation import table
from local_aws.authorization.cloudformation.demands import Change, Demand, Role
from local_aws.authorization.cloudformation.resources import KINDS, Resource

pytestmark = pytest.mark.unit

ACCOUNT, REGION = "111111111111", "eu-central-1"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/DeepLensBoundary"
POLICY = f"arn:aws:iam::{ACCOUNT}:policy/dev-Inference-Work"


def resource(type_: str, physical_id: str | None = None, **properties: Any) -> Resource:
    return Resource(type_, "Thing", "dev-Inference", ACCOUNT, REGION, properties, physical_id)


def iam(kind: str, name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:{kind}/{name}"


def demanded(change: Change) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in change.demands():
        found.setdefault(one.action, set()).add(one.resource)
    return found


def test_a_role_is_created_with_the_boundary_of_the_template() -> None:
    role = resource("AWS::IAM::Role", PermissionsBoundary=BOUNDARY, ManagedPolicyArns=[POLICY])
    name = iam("role", "dev-Inference-Thing-XXXXXXXXXXXXX")
    demands = Change("create", role).demands()
    assert Demand("iam:CreateRole", name, {"iam:PermissionsBoundary": BOUNDARY}) in demands
    attached = {"iam:PermissionsBoundary": BOUNDARY, "iam:PolicyARN": POLICY}
    assert Demand("iam:AttachRolePolicy", name, attached) in demands


def test_an_update_that_removes_the_boundary_is_an_action_of_its_own() -> None:
    after = resource("AWS::IAM::Role", "a-role")
    removed = Change("update", after, {"PermissionsBoundary": BOUNDARY})
    assert "iam:DeleteRolePermissionsBoundary" in demanded(removed)
    assert "iam:PutRolePermissionsBoundary" not in demanded(removed)
    kept = Change("update", resource("AWS::IAM::Role", "a-role"), {"Description": "before"})
    assert "iam:DeleteRolePermissionsBoundary" not in demanded(kept)


def test_a_policy_is_attached_to_roles_with_their_path_and_boundary() -> None:
    path = iam("role", "service-role/a-role")
    change = Change(
        "create",
        resource("AWS::IAM::ManagedPolicy", POLICY, Roles=["a-role"]),
        role_named={"a-role": Role(path, BOUNDARY)}.get,
    )
    context = {"iam:PermissionsBoundary": BOUNDARY, "iam:PolicyARN": POLICY}
    assert Demand("iam:AttachRolePolicy", path, context) in change.demands()


def test_a_role_is_passed_to_the_service_of_the_type() -> None:
    role = iam("role", "dev-Inference-Role")
    function = resource("AWS::Lambda::Function", Role=role, Code={"S3Bucket": "b", "S3Key": "k"})
    demands = Change("create", function).demands()
    assert Demand("iam:PassRole", role, {"iam:PassedToService": "lambda.amazonaws.com"}) in demands
    assert Demand("s3:GetObject", "arn:aws:s3:::b/k") in demands


def test_a_pipeline_passes_its_own_role_and_not_those_that_its_actions_assume() -> None:
    own, assumed = iam("role", "Delivery-Role"), "arn:aws:iam::222222222222:role/cdk-deploy"
    stages = [{"Actions": [{"RoleArn": assumed}]}]
    pipeline = resource("AWS::CodePipeline::Pipeline", RoleArn=own, Stages=stages)
    assert demanded(Change("create", pipeline))["iam:PassRole"] == {own}


def test_actions_of_a_property_are_demanded_with_it_only() -> None:
    without = demanded(Change("create", resource("AWS::Logs::LogGroup")))
    assert "logs:PutResourcePolicy" not in without
    given_ = resource("AWS::Logs::LogGroup", ResourcePolicyDocument={})
    assert demanded(Change("create", given_))["logs:PutResourcePolicy"] == {"*"}


def test_an_action_on_a_kind_that_the_resource_does_not_refer_to_is_not_demanded() -> None:
    plain = demanded(Change("create", resource("AWS::Lambda::Function", Code={})))
    assert not {"kms:Decrypt", "iam:PassRole", "s3:GetObject"} & plain.keys()


def test_a_custom_resource_invokes_its_handler_alone() -> None:
    handler = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:handler"
    other = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:other"
    custom = resource("Custom::DeepLensProject", ServiceToken=handler, FunctionArn=other)
    for step in ("create", "update", "delete"):
        assert Change(step, custom).demands() == [Demand("lambda:InvokeFunction", handler)]


@pytest.mark.parametrize(
    ("type_", "physical_id", "arn"),
    [
        ("AWS::SQS::Queue", f"https://host/{ACCOUNT}/q", f"sqs:{REGION}:{ACCOUNT}:q"),
        ("AWS::SNS::Topic", f"arn:aws:sns:{REGION}:{ACCOUNT}:t", f"sns:{REGION}:{ACCOUNT}:t"),
        ("AWS::S3::Bucket", "b", "s3:::b"),
        ("AWS::KMS::Key", "k", f"kms:{REGION}:{ACCOUNT}:key/k"),
        ("AWS::CloudWatch::Dashboard", "d", f"cloudwatch::{ACCOUNT}:dashboard/d"),
        ("AWS::Events::Rule", "r", f"events:{REGION}:{ACCOUNT}:rule/r"),
        ("AWS::Lambda::CodeSigningConfig", "c", f"lambda:{REGION}:{ACCOUNT}:code-signing-config:c"),
    ],
)  # fmt: skip
def test_the_arn_of_an_existing_resource(type_: str, physical_id: str, arn: str) -> None:
    assert resource(type_, physical_id).own_arn == f"arn:aws:{arn}"


def test_generated_names_of_64_characters_have_24_of_the_stacks_name() -> None:
    long = Resource("AWS::IAM::Role", "L" * 60, "s" * 30, ACCOUNT, REGION)
    name = str(long.own_arn).rpartition("/")[2]
    assert name == f"{'s' * 24}-{'L' * 24}-{'X' * 13}"


def test_a_type_without_a_row_is_an_error() -> None:
    with pytest.raises(KeyError, match="AWS::EC2::Instance"):
        Change("create", resource("AWS::EC2::Instance")).demands()


# Resource types whose ARNs contain two names.
TWO_NAMES = {
    "codepipeline:stage", "lambda:function version", "lambda:layer version", "s3:object",
}  # fmt: skip


@given(
    kind=st.sampled_from(sorted(KINDS - TWO_NAMES)),
    name=st.from_regex(re.compile(r"[A-Za-z0-9_-]{1,64}"), fullmatch=True),
)  # fmt: skip
def test_each_kind_recognizes_its_own_arns(kind: str, name: str) -> None:
    made = table.arn(kind, name, region=REGION, account=ACCOUNT)
    assert table.is_a(kind, made)
    assert not table.is_a(kind, made + ":more")


def test_a_bucket_is_not_an_object_and_a_function_not_a_version() -> None:
    assert not table.is_a("s3:bucket", "arn:aws:s3:::bucket/key")
    assert not table.is_a("s3:object", "arn:aws:s3:::bucket")
    version = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f:3"
    assert table.is_a("lambda:function version", version)
    assert not table.is_a("lambda:function", version)
