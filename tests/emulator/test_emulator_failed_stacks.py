"""Failed creations and deletions retain the same resources as on AWS."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from testkit.waiting import eventually
from tests.emulator.running_emulator import ACCOUNT, Emulator, functions_role

pytestmark = pytest.mark.emulator

# The code of a function that appends each event to a file, and responds with the content of another
# file.
_HANDLER = """\
import json, os, urllib.request
def handle(event, context):
    folder = event['ResourceProperties']['Folder']
    with open(os.path.join(folder, 'events'), 'a') as events:
        events.write(json.dumps(event) + '\\n')
    given = json.load(open(os.path.join(folder, 'answers'))).get(event['RequestType'], {})
    if given == 'raise':
        raise RuntimeError('no answer')
    known = {key: event[key] for key in ('StackId', 'RequestId', 'LogicalResourceId')}
    answer = {'Status': 'SUCCESS', 'PhysicalResourceId': 'custom', **known, **given}
    urllib.request.urlopen(urllib.request.Request(
        event['ResponseURL'], json.dumps(answer).encode(), method='PUT'))
"""
FAILED = {"Status": "FAILED", "Reason": "the reason of the test"}
BROKEN = {"Type": "AWS::IoT::ThingGroup", "Properties": {"ThingGroupName": "a name"}}


class Handler:
    """A custom resource's function, with its requests and responses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answer()

    def answer(self, **answers: Any) -> None:
        (self.folder / "answers").write_text(json.dumps(answers))

    @property
    def events(self) -> list[dict[str, Any]]:
        file = self.folder / "events"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def requests(self) -> list[str]:
        return [event["RequestType"] for event in self.events]


class Stack:
    """A stack in the emulator."""

    def __init__(self, aws: Emulator, template: dict[str, Any]) -> None:
        self.name = f"stack-{uuid4().hex[:12]}"
        self._client = aws.client("cloudformation")
        self._client.create_stack(
            StackName=self.name,
            TemplateBody=json.dumps({"Resources": template}),
            Capabilities=["CAPABILITY_IAM"],
        )

    def delete(self) -> str:
        """Delete the stack; return its final status."""
        self.wait()
        stack_id = self._described()["StackId"]
        self._client.delete_stack(StackName=self.name)
        self.name = stack_id
        return self.wait()

    def wait(self) -> str:
        ended: str = eventually(self._ended)
        return ended

    def _ended(self) -> str | None:
        status = str(self._described()["StackStatus"])
        return None if status.endswith("_IN_PROGRESS") else status

    @property
    def resources(self) -> dict[str, str]:
        listed = self._client.describe_stack_resources(StackName=self.name)["StackResources"]
        return {resource["LogicalResourceId"]: resource["ResourceStatus"] for resource in listed}

    @property
    def events(self) -> list[tuple[str, str, str]]:
        """Resource, status and reason of each event, oldest first."""
        listed = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        return [
            (one["LogicalResourceId"], one["ResourceStatus"], one.get("ResourceStatusReason", ""))
            for one in reversed(listed)
        ]

    def reason(self, status: str) -> str:
        """Return the reason of the first event with a status."""
        return next(reason for _, event_status, reason in self.events if event_status == status)

    def _described(self) -> dict[str, Any]:
        described: dict[str, Any] = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
        return described


@pytest.fixture
def handler(tmp_path: Path) -> Handler:
    return Handler(tmp_path)


def custom(aws: Emulator, handler: Handler) -> dict[str, Any]:
    """Return a template's resources: a custom resource, its function and log group, and a topic."""
    group = {"LogGroupName": f"custom-{uuid4().hex}"}
    return {
        "Group": {"Type": "AWS::Logs::LogGroup", "Properties": group},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.12",
                "Handler": "index.handle",
                "Role": functions_role(aws),
                "Code": {"ZipFile": _HANDLER},
                "LoggingConfig": {"LogGroup": {"Ref": "Group"}},
            },
        },
        "Custom": {
            "Type": "Custom::Tested",
            "Properties": {
                "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
                "Folder": str(handler.folder),
            },
        },
        "Unrelated": {"Type": "AWS::SNS::Topic", "Properties": {}},
    }


def test_a_failed_deletion_keeps_what_the_resource_needs_so_the_next_one_succeeds(
    aws: Emulator, handler: Handler
) -> None:
    stack = Stack(aws, custom(aws, handler))
    assert stack.wait() == "CREATE_COMPLETE"
    handler.answer(Delete=FAILED)
    assert stack.delete() == "DELETE_FAILED"
    assert stack.resources == {
        "Group": "CREATE_COMPLETE", "Function": "CREATE_COMPLETE", "Custom": "DELETE_FAILED",
    }  # fmt: skip
    assert not any(
        status.startswith("DELETE") for name, status, _ in stack.events if name == "Function"
    )
    handler.answer()
    assert stack.delete() == "DELETE_COMPLETE"
    assert handler.requests == ["Create", "Delete", "Delete"]
    deleted = [name for name, status, _ in stack.events if status == "DELETE_COMPLETE"]
    assert deleted[-4:-1] == ["Custom", "Function", "Group"]


def test_a_failed_rollback_keeps_what_the_resource_needs_so_a_deletion_succeeds(
    aws: Emulator, handler: Handler
) -> None:
    handler.answer(Delete=FAILED)
    stack = Stack(
        aws, {**custom(aws, handler), "Broken": {**BROKEN, "DependsOn": ["Custom", "Unrelated"]}}
    )
    assert stack.wait() == "ROLLBACK_FAILED"
    assert stack.resources == {
        "Group": "CREATE_COMPLETE", "Function": "CREATE_COMPLETE", "Custom": "DELETE_FAILED",
    }  # fmt: skip
    handler.answer()
    assert stack.delete() == "DELETE_COMPLETE"


def test_a_custom_resource_that_could_not_be_created_is_deleted(
    aws: Emulator, handler: Handler
) -> None:
    handler.answer(Create={**FAILED, "PhysicalResourceId": "half"})
    stack = Stack(aws, custom(aws, handler))
    assert stack.wait() == "ROLLBACK_COMPLETE"
    assert stack.reason("CREATE_FAILED") == FAILED["Reason"]
    requests = [(event["RequestType"], event.get("PhysicalResourceId")) for event in handler.events]
    assert requests == [
        ("Create", None), ("Delete", "half"),
    ]  # fmt: skip
    assert handler.events[1]["ResourceProperties"] == handler.events[0]["ResourceProperties"]


@pytest.mark.parametrize("characters", ["a" * 5_000, "→" * 1_500])
def test_an_answer_above_4096_bytes_fails_the_resource(
    aws: Emulator, handler: Handler, characters: str
) -> None:
    handler.answer(Create={"Data": {"Status": characters}})
    stack = Stack(aws, custom(aws, handler))
    assert stack.wait() == "ROLLBACK_COMPLETE"
    assert stack.reason("CREATE_FAILED") == "Response object is too long."


def test_a_function_without_an_answer_is_called_two_more_times_with_the_same_request(
    aws: Emulator, handler: Handler
) -> None:
    handler.answer(Create="raise")
    template = custom(aws, handler)
    template["Custom"]["Properties"]["ServiceTimeout"] = "1"
    stack = Stack(aws, template)
    assert stack.wait() == "ROLLBACK_COMPLETE"
    created = [event for event in handler.events if event["RequestType"] == "Create"]
    assert len(created) == 3
    assert created[0] == created[1] == created[2]


def named_bucket(policy: str) -> dict[str, Any]:
    return {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "DeletionPolicy": policy,
            "Properties": {"BucketName": f"kept-{uuid4().hex}"},
        }
    }


def failing(template: dict[str, Any]) -> dict[str, Any]:
    return {**template, "Broken": {**BROKEN, "DependsOn": list(template)}}


def test_retain_keeps_the_resource_of_a_failed_creation_and_its_name(aws: Emulator) -> None:
    template = named_bucket("Retain")
    assert Stack(aws, failing(template)).wait() == "ROLLBACK_COMPLETE"
    retried = Stack(aws, template)
    assert retried.wait() == "ROLLBACK_COMPLETE"


def test_retain_except_on_create_deletes_the_resource_of_a_failed_creation(
    aws: Emulator,
) -> None:
    template = named_bucket("RetainExceptOnCreate")
    assert Stack(aws, failing(template)).wait() == "ROLLBACK_COMPLETE"
    retried = Stack(aws, template)
    assert retried.wait() == "CREATE_COMPLETE"
    assert retried.delete() == "DELETE_COMPLETE"
    name = template["Bucket"]["Properties"]["BucketName"]
    aws.client("s3").head_bucket(Bucket=name)


def test_a_retained_bucket_is_adopted_by_an_import(aws: Emulator) -> None:
    template = named_bucket("RetainExceptOnCreate")
    assert Stack(aws, template).delete() == "DELETE_COMPLETE"
    bucket = template["Bucket"]["Properties"]["BucketName"]
    aws.client("s3").put_object(Bucket=bucket, Key="a", Body=b"kept")
    cloudformation, name = aws.client("cloudformation"), f"stack-{uuid4().hex[:12]}"
    cloudformation.create_change_set(
        StackName=name,
        ChangeSetName="adopt",
        ChangeSetType="IMPORT",
        TemplateBody=json.dumps({"Resources": template}),
        ResourcesToImport=[
            {
                "ResourceType": "AWS::S3::Bucket",
                "LogicalResourceId": "Bucket",
                "ResourceIdentifier": {"BucketName": bucket},
            }
        ],
    )
    cloudformation.get_waiter("change_set_create_complete").wait(
        StackName=name, ChangeSetName="adopt", WaiterConfig={"Delay": 1}
    )
    cloudformation.execute_change_set(StackName=name, ChangeSetName="adopt")
    cloudformation.get_waiter("stack_import_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1}
    )
    assert aws.client("s3").get_object(Bucket=bucket, Key="a")["Body"].read() == b"kept"
    # The stack owns the imported bucket, so an update changes the bucket and a deletion retains the
    # bucket.
    template["Bucket"]["Properties"]["Tags"] = [{"Key": "owner", "Value": "stack"}]
    cloudformation.update_stack(StackName=name, TemplateBody=json.dumps({"Resources": template}))
    cloudformation.get_waiter("stack_update_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1}
    )
    tags = aws.client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]
    assert {"Key": "owner", "Value": "stack"} in tags


def trust(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def allowing(*actions: str, resources: int = 1) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": [f"arn:aws:s3:::bucket-{number:05d}/*" for number in range(resources)],
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


FUNCTION = {"Handler": "index.handle", "Runtime": "python3.12", "Code": {"ZipFile": "a = 1"}}
ALARM = {
    "Namespace": "a", "MetricName": "b", "Statistic": "Sum", "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold",
}  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "properties", "reason"),
    [
        ("AWS::Lambda::Function", {**FUNCTION, "Role": f"arn:aws:iam::{ACCOUNT}:role/none"},
         "cannot be assumed by Lambda"),
        ("AWS::Lambda::Function", {**FUNCTION, "Runtime": "python3.7",
         "Role": f"arn:aws:iam::{ACCOUNT}:role/none"}, "python3.7 is no longer supported"),
        ("AWS::Lambda::Function", {**FUNCTION, "MemorySize": "64", "Role": "none"},
         "'MemorySize' failed to satisfy constraint"),
        ("AWS::CloudWatch::Alarm", {**ALARM, "Period": 60, "EvaluationPeriods": 1441},
         "more than a day"),
        ("AWS::CloudWatch::Alarm", {**ALARM, "Period": 60, "EvaluationPeriods": 1,
         "ComparisonOperator": "Greater"}, "enum value set"),
        ("AWS::IAM::ManagedPolicy", {"PolicyDocument": allowing("s3:Get*", resources=250)},
         "Cannot exceed quota for PolicySize: 6144"),
        ("AWS::IAM::ManagedPolicy", {"PolicyDocument": allowing("GetObject")},
         "prefaced by a vendor"),
        ("AWS::IAM::Role", {"AssumeRolePolicyDocument": trust("lambda.amazonaws.com"), "Policies": [
            {"PolicyName": name, "PolicyDocument": allowing("s3:Get*", resources=200)}
            for name in "ab"]}, "Maximum policy size of 10240 bytes exceeded"),
        ("AWS::IAM::Role", {"AssumeRolePolicyDocument": trust("lambda.amazonaws.com"),
         "MaxSessionDuration": 43201}, "less than or equal to 43200"),
        ("AWS::IoT::Policy", {"PolicyDocument": allowing("iot:Nope")}, "iot:Nope"),
        ("AWS::IoT::ThingGroup", {"ThingGroupName": "a group"}, "regular expression"),
        ("AWS::IoT::TopicRule", {"TopicRulePayload": {"Sql": "SELECT * FROM 'a'", "Actions": [
            {"Republish": {"Topic": "b", "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/none"}}]}},
         "Unable to assume role"),
        ("AWS::Logs::LogGroup", {"LogGroupName": "a group"}, "regular expression"),
    ],
)  # fmt: skip
def test_a_resource_that_its_service_rejects_fails(
    aws: Emulator, type_: str, properties: dict[str, Any], reason: str
) -> None:
    stack = Stack(aws, {"Resource": {"Type": type_, "Properties": properties}})
    assert stack.wait() == "ROLLBACK_COMPLETE"
    assert reason in stack.reason("CREATE_FAILED")


def test_an_update_that_its_service_rejects_is_rolled_back(aws: Emulator) -> None:
    def template(count: int) -> dict[str, Any]:
        alarm = {**ALARM, "Period": 60, "EvaluationPeriods": count}
        return {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm}}

    stack = Stack(aws, template(1440))
    assert stack.wait() == "CREATE_COMPLETE"
    aws.client("cloudformation").update_stack(
        StackName=stack.name, TemplateBody=json.dumps({"Resources": template(1441)})
    )
    assert stack.wait() == "UPDATE_ROLLBACK_COMPLETE"
    assert "more than a day" in stack.reason("UPDATE_FAILED")
