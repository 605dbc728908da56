"""If a stack has a role, CloudFormation in the emulator has only the permissions of the role."""

import copy
import json
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from testkit.waiting import eventually
from tests.emulator.running_emulator import REGION, Emulator
from tests.policy.policy_files import ENVIRONMENT_ACCOUNT, Document, policies

pytestmark = pytest.mark.emulator

ACCOUNT = "666666666666"
ROLE = f"cdk-deeplens-cfn-exec-role-{ACCOUNT}-{REGION}"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/DeepLensBoundary"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/AWSCloudFormation"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
EMPTY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Deny", "Action": "iam:CreateUser", "Resource": "*"}],
    }
)
Resources = dict[str, dict[str, Any]]


def trusting(service: str) -> Document:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def resources(**changes: Any) -> Resources:
    """Return a template's resources: role and queue with their policies, and a log group."""
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}],
    }
    role = {
        "AssumeRolePolicyDocument": trusting("lambda.amazonaws.com"),
        "PermissionsBoundary": BOUNDARY,
        "Description": changes.get("description", "before"),
    }
    queue_policy = {
        "Queues": [{"Ref": "Queue"}],
        "PolicyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": {"Fn::GetAtt": ["Queue", "Arn"]},
                }
            ],
        },
    }
    return {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Policy": {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": document, "Roles": [{"Ref": "Role"}]},
        },
        "Log": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {"RetentionInDays": changes.get("days", 7)},
        },
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {"MessageRetentionPeriod": changes.get("seconds", 3600)},
        },
        "QueuePolicy": {"Type": "AWS::SQS::QueuePolicy", "Properties": queue_policy},
    }


@dataclass
class Account:
    """An account with a role for CloudFormation; tests can change the policies of the role."""

    aws: Emulator
    name: str
    role: str = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
    given: dict[str, Document] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.aws.client(service, ACCOUNT)

    def give(self, documents: dict[str, Document]) -> None:
        """Attach managed policies to the role; update existing policies with a new version."""
        iam = self.client("iam")
        for name, document in documents.items():
            arn = f"arn:aws:iam::{ACCOUNT}:policy/{name}"
            if self.given.get(name) == document:
                continue
            with suppress(iam.exceptions.EntityAlreadyExistsException):
                iam.create_policy(PolicyName=name, PolicyDocument=EMPTY)
            for version in iam.list_policy_versions(PolicyArn=arn)["Versions"]:
                if not version["IsDefaultVersion"]:
                    iam.delete_policy_version(PolicyArn=arn, VersionId=version["VersionId"])
            iam.create_policy_version(
                PolicyArn=arn, PolicyDocument=json.dumps(document), SetAsDefault=True
            )
            iam.attach_role_policy(RoleName=ROLE, PolicyArn=arn)
        self.given = documents

    def without(self, action: str) -> None:
        """Remove an action from the role's policies."""
        documents = copy.deepcopy(self.given)
        for document in documents.values():
            for statement in document["Statement"]:
                if statement["Effect"] == "Allow" and action in statement["Action"]:
                    statement["Action"].remove(action)
        assert documents != self.given
        self.give(documents)

    def create(self, content: Resources, **more: Any) -> str:
        self.client("cloudformation").create_stack(
            **self._stack(content), **{"RoleARN": self.role, **more}
        )
        return self.ended()

    def update(self, content: Resources) -> str:
        self.client("cloudformation").update_stack(**self._stack(content), RoleARN=self.role)
        return self.ended()

    def delete(self, **more: Any) -> str:
        client = self.client("cloudformation")
        stack_id = client.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        client.delete_stack(StackName=self.name, **more)
        return self.ended(stack_id)

    def ended(self, name: str = "") -> str:
        def status() -> str:
            found = self.client("cloudformation").describe_stacks(StackName=name or self.name)
            text = str(found["Stacks"][0]["StackStatus"])
            return "" if text.endswith("_IN_PROGRESS") else text

        return str(eventually(status))

    def reasons(self) -> list[str]:
        found = self.client("cloudformation").describe_stack_events(StackName=self.name)
        return [event.get("ResourceStatusReason", "") for event in found["StackEvents"]]

    def _stack(self, content: Resources) -> dict[str, Any]:
        return {
            "StackName": self.name,
            "TemplateBody": json.dumps({"Resources": content}),
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
        }


@pytest.fixture
def account(aws: Emulator) -> Account:
    """An account with the policies of `policies/`, and a unique name for a stack."""
    iam = aws.client("iam", ACCOUNT)
    given = policies(ENVIRONMENT_ACCOUNT, ACCOUNT)
    if BOUNDARY not in [policy["Arn"] for policy in iam.list_policies(Scope="Local")["Policies"]]:
        iam.create_role(
            RoleName=ROLE,
            AssumeRolePolicyDocument=json.dumps(trusting("cloudformation.amazonaws.com")),
        )
        iam.create_policy(PolicyName="DeepLensBoundary", PolicyDocument=json.dumps(given.boundary))
    made = Account(aws, f"qa{uuid4().hex[:8]}-Monitoring")
    made.give(given.deploy)
    return made


def denial(action: str) -> str:
    return f"User: {SESSION} is not authorized to perform: {action} on resource: "


def test_a_stack_is_created_updated_and_deleted_with_the_policies(account: Account) -> None:
    assert account.create(resources()) == "CREATE_COMPLETE", account.reasons()
    changed = resources(description="after", days=30, seconds=7200)
    assert account.update(changed) == "UPDATE_COMPLETE", account.reasons()
    assert account.delete() == "DELETE_COMPLETE"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreateRole", "Role"),
        ("iam:CreatePolicy", "Policy"),
        ("logs:CreateLogGroup", "Log"),
        ("sqs:CreateQueue", "Queue"),
    ],
)
def test_without_one_action_the_creation_fails_with_awss_text(
    account: Account, action: str, resource: str
) -> None:
    account.without(action)
    assert account.create(resources()) == "ROLLBACK_COMPLETE"
    events = account.client("cloudformation").describe_stack_events(StackName=account.name)
    (failed,) = (
        event for event in events["StackEvents"] if event["ResourceStatus"] == "CREATE_FAILED"
    )
    assert failed["LogicalResourceId"] == resource
    reason = failed["ResourceStatusReason"]
    assert denial(action) in reason
    assert f"because no identity-based policy allows the {action} action" in reason
    assert reason.startswith('Resource handler returned message: "')
    assert reason.endswith("(HandlerErrorCode: AccessDenied)")


def test_without_one_action_an_update_fails_and_leaves_the_rest_as_it_was(account: Account) -> None:
    assert account.create(resources()) == "CREATE_COMPLETE"
    account.without("sqs:SetQueueAttributes")
    assert account.update(resources(seconds=7200)).startswith("UPDATE_ROLLBACK")
    assert any(denial("sqs:SetQueueAttributes") in reason_ for reason_ in account.reasons())
    assert account.client("sqs").list_queues(QueueNamePrefix=account.name)["QueueUrls"]


def test_without_one_action_a_deletion_fails_and_can_be_repeated(account: Account) -> None:
    assert account.create(resources()) == "CREATE_COMPLETE"
    complete = account.given
    account.without("iam:DeleteRole")
    assert account.delete() == "DELETE_FAILED"
    assert any(denial("iam:DeleteRole") in reason_ for reason_ in account.reasons())
    account.give(complete)
    assert account.delete() == "DELETE_COMPLETE"


def test_a_failed_update_rolls_back_with_the_policies(account: Account) -> None:
    assert account.create(resources()) == "CREATE_COMPLETE"
    content = resources(days=30, seconds=7200)
    # The policies deny this queue name, so the update fails after the other changes have succeeded.
    content["Other"] = {
        "Type": "AWS::SQS::Queue",
        "Properties": {"QueueName": "billing"},
        "DependsOn": ["Log", "Queue"],
    }
    assert account.update(content) == "UPDATE_ROLLBACK_COMPLETE", account.reasons()
    (group,) = account.client("logs").describe_log_groups(logGroupNamePrefix=account.name)[
        "logGroups"
    ]
    assert group["retentionInDays"] == 7


@pytest.mark.parametrize(
    ("changed", "action"),
    [
        ({"PermissionsBoundary": None}, "iam:CreateRole"),
        ({"PermissionsBoundary": ADMINISTRATOR}, "iam:CreateRole"),
        ({"ManagedPolicyArns": [ADMINISTRATOR]}, "iam:AttachRolePolicy"),
        ({"RoleName": "cdk-deeplens-deploy-role-x"}, "iam:CreateRole"),
    ],
)
def test_no_role_is_created_that_leads_out(
    account: Account, changed: dict[str, Any], action: str
) -> None:
    content = resources()
    properties = {**content["Role"]["Properties"], **changed}
    content["Role"]["Properties"] = {key: value for key, value in properties.items() if value}
    assert account.create(content) == "ROLLBACK_COMPLETE"
    assert any(denial(action) in reason_ for reason_ in account.reasons())


def test_no_update_removes_the_boundary(account: Account) -> None:
    assert account.create(resources()) == "CREATE_COMPLETE"
    content = resources()
    del content["Role"]["Properties"]["PermissionsBoundary"]
    assert account.update(content).startswith("UPDATE_ROLLBACK")
    assert any(
        denial("iam:DeleteRolePermissionsBoundary") in reason_ for reason_ in account.reasons()
    )
    names = [role["RoleName"] for role in account.client("iam").list_roles()["Roles"]]
    (name,) = (role_name for role_name in names if role_name.startswith(account.name))
    role = account.client("iam").get_role(RoleName=name)["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY


def test_the_role_of_a_stack_is_used_until_another_one_is_given(account: Account) -> None:
    assert account.create(resources()) == "CREATE_COMPLETE"
    account.without("sqs:DeleteQueue")
    # As on AWS, a deletion without RoleARN uses the role of the last operation.
    assert account.delete() == "DELETE_FAILED"


def test_an_accounts_root_needs_no_role(account: Account) -> None:
    content = {
        "Other": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "x"}}
    }
    account.client("cloudformation").create_stack(**account._stack(content))  # noqa: SLF001 - this call passes no role
    assert account.ended() == "CREATE_COMPLETE"


def test_a_type_without_permissions_is_an_error_that_names_the_table(account: Account) -> None:
    content = {"Other": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 1}}}
    assert account.create(content) == "ROLLBACK_COMPLETE"
    (reason,) = (reason_ for reason_ in account.reasons() if "AWS::Kinesis::Stream" in reason_)
    assert "local_aws/authorization/cloudformation/assumptions.json" in reason


def test_a_role_that_does_not_exist_cannot_be_assumed(account: Account) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/absent"
    with pytest.raises(ClientError, match=f"Role {role} is invalid or cannot be assumed"):
        account.create(resources(), RoleARN=role)
