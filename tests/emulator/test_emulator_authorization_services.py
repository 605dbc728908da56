"""The emulator's additional services authorize each operation and its dependent actions.

botocore's models define the operations and inputs, so the test covers new operations.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.emulator.running_emulator import (
    ACCOUNT,
    REGION,
    Emulator,
    archive,
    create_role,
    publish_function,
    recipe,
)

pytestmark = pytest.mark.emulator

EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
OWNER = {"deeplens:owner": "test"}
CONTAINER = {
    "Image": f"763104351884.dkr.ecr.{REGION}.amazonaws.com/tensorflow-inference:2.19.0-cpu",
    "ModelDataUrl": "s3://models/model.tar.gz",
}
# For each method, the members that the service requires although botocore's model does not.
MORE: dict[str, dict[str, Any]] = {
    "list_component_versions": {"arn": f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:example"},
    "update_connectivity_info": {"connectivityInfo": []},
    "create_role_alias": {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/example"},
    "create_component_version": {"inlineRecipe": json.dumps(recipe("example")).encode()},
}
# Example strings. Each pattern of a required string in the models matches one of these values.
EXAMPLES = (
    "example", "1.0.0", "11111111-2222-3333-4444-555555555555",
    f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:example:versions:1.0.0",
    f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:example",
    f"arn:aws:greengrass:{REGION}:{ACCOUNT}:coreDevices:example",
    f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/example",
    f"arn:aws:iam::{ACCOUNT}:role/example",
)  # fmt: skip


def session_of(aws: Emulator, role: str) -> Callable[[str], Any]:
    """Return a function that creates a service's client with a session of a role."""
    keys = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    unchecked = Config(parameter_validation=False, retries={"total_max_attempts": 1})
    connect: Any = boto3.client  # a new session would load each service model again
    return lambda service: connect(
        service,
        endpoint_url=aws.endpoint["endpoint_url"],
        region_name=REGION,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        config=unchecked,
    )


def example(shape: Any) -> Any:
    """Return a valid value for a shape of botocore's models, with required members only."""
    if shape.type_name == "structure":
        return {name: example(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [example(shape.member)] * max(1, shape.metadata.get("min", 1))
    if shape.type_name == "map":
        return {"example": example(shape.value)}
    if shape.type_name == "string":
        return _string(shape.metadata)
    others = {"blob": b"", "boolean": True, "timestamp": 0}
    return others.get(shape.type_name, shape.metadata.get("min", 1))


def _string(limits: dict[str, Any]) -> str:
    if "enum" in limits:
        return str(limits["enum"][0])
    try:
        pattern = re.compile(limits.get("pattern", ".*"))
    except re.error:  # Python's syntax for some ranges differs
        return EXAMPLES[0]
    long_enough = (example for example in EXAMPLES if len(example) >= limits.get("min", 0))
    return next((example for example in long_enough if pattern.search(example)), EXAMPLES[0])


def operations(client: Any, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the client's methods for operations below a path, each with a valid input."""
    for method, name in client.meta.method_to_api_mapping.items():
        operation = client.meta.service_model.operation_model(name)
        if operation.http["requestUri"].startswith(prefix):
            params = example(operation.input_shape) if operation.input_shape else {}
            yield method, {**params, **MORE.get(method, {})}


def outcome(client: Any, method: str, params: dict[str, Any]) -> str:
    """Return the error code of a call, or `allowed`."""
    try:
        getattr(client, method)(**params)
    except ClientError as error:
        answer = error.response["Error"]
        if answer["Code"].startswith("AccessDenied"):
            assert "is not authorized to perform: " in answer["Message"]
        return str(answer["Code"])
    return "allowed"


@pytest.mark.parametrize(
    ("service", "prefix", "served"),
    [
        ("greengrassv2", "/", 29),
        ("iot", "/role-aliases", 5),
        ("application-autoscaling", "/", 6),
        ("codepipeline", "/", 5),
        ("sagemaker", "/", 28),
        ("sagemaker-runtime", "/", 3),
    ],
)
def test_a_role_without_policies_may_do_nothing(
    aws: Emulator, unique: str, service: str, prefix: str, served: int
) -> None:
    client = session_of(aws, create_role(aws, unique))(service)
    outcomes = {
        method: outcome(client, method, params) for method, params in operations(client, prefix)
    }
    denied = [method for method, code in outcomes.items() if code == "AccessDeniedException"]
    others = {method: code for method, code in outcomes.items() if method not in denied}
    assert set(others.values()) <= {"UnknownOperationException", "ValidationError"}, others
    assert len(denied) == served, others


@dataclass(frozen=True)
class Fleet:
    """A core device in a group, with a deployment to the group and a deployment to the thing."""

    thing: str
    group_deployment: dict[str, str]
    thing_deployment: dict[str, str]

    def arn(self, kind: str) -> str:
        name = self.group_deployment["iotJobId"] if kind == "job" else self.thing
        return f"arn:aws:iot:{REGION}:{ACCOUNT}:{kind}/{name}"

    def params(self, member: str, subject: str) -> dict[str, str]:
        """Return a call's input, in which `member` refers to a device, a deployment or an ARN."""
        given = {
            "name": self.thing,
            "group_deployment": self.group_deployment["deploymentId"],
            "thing_deployment": self.thing_deployment["deploymentId"],
        }
        return {member: given.get(subject) or self.arn(subject)}


@pytest.fixture(scope="module")
def fleet(aws: Emulator) -> Fleet:
    name = f"cam-{uuid4().hex[:8]}"
    iot, greengrass = aws.client("iot"), aws.client("greengrassv2")
    iot.create_thing(thingName=name)
    iot.create_thing_group(thingGroupName=name)
    iot.add_thing_to_thing_group(thingGroupName=name, thingName=name)
    deployments = [
        greengrass.create_deployment(targetArn=f"arn:aws:iot:{REGION}:{ACCOUNT}:{kind}/{name}")
        for kind in ("thinggroup", "thing")
    ]
    aws.client("iot-data").publish(
        topic=f"$aws/things/{name}/greengrassv2/health/json",
        payload=json.dumps({"overallDeviceStatus": "HEALTHY", "timestamp": 0}),
    )
    return Fleet(name, *deployments)


TO_GROUP = ("iot:DescribeJob job", "iot:DescribeThingGroup thinggroup")
# Actions for a deployment to a thing, which uses a shadow instead of a job.
TO_THING = ("iot:DescribeThing thing", "iot:GetThingShadow thing")
CHANGES_A_THING = ("iot:UpdateThingShadow thing", "iot:DeleteThingShadow thing")
# Each item consists of an operation, the arguments of `Fleet.params` for its input, and its
# dependent actions.
DEPENDENT: list[tuple[str, str, str, tuple[str, ...]]] = [
    ("create_deployment", "targetArn", "thinggroup", (
        "iot:CancelJob job", "iot:CreateJob thinggroup", "iot:UpdateJob job", *TO_GROUP,
    )),
    ("create_deployment", "targetArn", "thing", (
        "iot:CreateJob thing", *TO_THING, *CHANGES_A_THING,
    )),
    ("cancel_deployment", "deploymentId", "group_deployment", (
        "iot:CancelJob job", "iot:UpdateJob job", *TO_GROUP,
    )),
    ("cancel_deployment", "deploymentId", "thing_deployment", (
        *TO_THING, *CHANGES_A_THING,
    )),
    ("get_deployment", "deploymentId", "group_deployment", TO_GROUP),
    ("get_deployment", "deploymentId", "thing_deployment", TO_THING),
    ("list_deployments", "targetArn", "thinggroup", TO_GROUP),
    ("list_deployments", "targetArn", "thing", TO_THING),
    ("delete_deployment", "deploymentId", "group_deployment", ("iot:DeleteJob job",)),
    ("list_effective_deployments", "coreDeviceThingName", "name", (
        "iot:DescribeJobExecution job", "iot:DescribeJobExecution thing",
        "iot:DescribeJob job", "iot:DescribeThing thing", "iot:DescribeThingGroup thinggroup",
        "iot:GetThingShadow thing",
    )),
    ("delete_core_device", "coreDeviceThingName", "name", (
        "iot:DescribeJobExecution job", "iot:DescribeJobExecution thing",
    )),
    ("get_connectivity_info", "thingName", "name", ("iot:GetThingShadow thing",)),
    ("update_connectivity_info", "thingName", "name", ("iot:UpdateThingShadow thing",)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "dependent"),
    [(tuple(call), dependent) for *call, dependents in DEPENDENT for dependent in dependents],
)
def test_a_call_is_denied_without_a_right_that_it_depends_on(
    aws: Emulator, fleet: Fleet, unique: str, call: tuple[str, str, str], dependent: str
) -> None:
    method, member, subject = call
    action, _, kind = dependent.partition(" ")
    resource = fleet.arn(kind)
    denies = {"Effect": "Deny", "Action": action, "Resource": resource}
    params = {**fleet.params(member, subject), **MORE.get(method, {})}
    client = session_of(aws, create_role(aws, unique, EVERYTHING, denies))("greengrassv2")
    with pytest.raises(client.exceptions.AccessDeniedException) as caught:
        getattr(client, method)(**params)
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert response["Error"]["Message"] == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{unique}/test is not authorized to perform:"
        f" {action} on resource: {resource} with an explicit deny in an identity-based policy"
    )


def test_a_deployment_is_created_on_every_resource_and_narrowed_by_its_tags(
    aws: Emulator, fleet: Fleet, unique: str
) -> None:
    iot = {"Effect": "Allow", "Action": "iot:*", "Resource": "*"}
    on_arns = {
        "Effect": "Allow", "Action": "greengrass:CreateDeployment",
        "Resource": [fleet.arn("thinggroup"), f"arn:aws:greengrass:{REGION}:{ACCOUNT}:*"],
    }  # fmt: skip
    target = {"targetArn": fleet.arn("thinggroup")}
    name = f"{unique}-arns"
    client = session_of(aws, create_role(aws, name, iot, on_arns))("greengrassv2")
    with pytest.raises(client.exceptions.AccessDeniedException) as caught:
        client.create_deployment(**target)
    assert caught.value.response["Error"]["Message"] == (
        f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{name}/test is not authorized to perform:"
        " greengrass:CreateDeployment on resource: * because no identity-based policy allows the"
        " greengrass:CreateDeployment action"
    )
    tagged = {
        "Effect": "Allow", "Action": "greengrass:CreateDeployment", "Resource": "*",
        "Condition": {
            "StringEquals": {"aws:RequestTag/deeplens:owner": "test"},
            "ForAllValues:StringEquals": {"aws:TagKeys": ["deeplens:owner"]},
        },
    }  # fmt: skip
    client = session_of(aws, create_role(aws, unique, iot, tagged))("greengrassv2")
    others: list[dict[str, Any]] = [
        {}, {"tags": {"deeplens:owner": "other"}}, {"tags": {**OWNER, "more": "1"}},
    ]  # fmt: skip
    for tags in others:
        with pytest.raises(client.exceptions.AccessDeniedException):
            client.create_deployment(**target, **tags)
    client.create_deployment(**target, tags=OWNER)


def test_a_condition_on_a_resources_tag_holds(
    aws: Emulator, create_component: Callable[..., str], unique: str
) -> None:
    arn = create_component(unique)
    aws.client("greengrassv2").tag_resource(resourceArn=arn, tags=OWNER)
    deletes = {
        "Effect": "Allow", "Action": "greengrass:DeleteComponent", "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/deeplens:owner": "test"}},
    }  # fmt: skip
    client = session_of(aws, create_role(aws, unique, deletes))("greengrassv2")
    with pytest.raises(client.exceptions.AccessDeniedException):
        client.delete_component(arn=create_component(f"{unique}.other"))
    client.delete_component(arn=arn)


def test_a_component_needs_the_callers_rights_on_function_and_artifacts(
    aws: Emulator, bucket: str, unique: str
) -> None:
    aws.client("s3").put_object(Bucket=bucket, Key="model.zip", Body=b"x")
    uri = f"s3://{bucket}/model.zip"
    manifests = [{"Artifacts": [{"Uri": uri}]}]
    inline = {"inlineRecipe": json.dumps(recipe(unique, Manifests=manifests)).encode()}
    creates = {
        "Effect": "Allow", "Action": "greengrass:CreateComponentVersion",
        "Resource": f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{unique}*",
    }  # fmt: skip
    client = session_of(aws, create_role(aws, unique, creates))("greengrassv2")
    with pytest.raises(client.exceptions.ValidationException, match="cannot be accessed"):
        client.create_component_version(**inline)
    function = publish_function(aws, "", f"deeplens-{unique}")
    imported = {"lambdaArn": function, "componentName": f"{unique}.function"}
    with pytest.raises(
        client.exceptions.AccessDeniedException,
        match=f"not authorized to perform: lambda:GetFunction on resource: {function} because",
    ):
        client.create_component_version(lambdaFunction=imported)
    reads = {
        "Effect": "Allow", "Action": ["s3:GetObject", "lambda:GetFunction"],
        "Resource": [f"arn:aws:s3:::{bucket}/*", function],
    }  # fmt: skip
    client = session_of(aws, create_role(aws, f"{unique}-2", creates, reads))("greengrassv2")
    client.create_component_version(**inline)
    client.create_component_version(lambdaFunction=imported)


def test_whoever_gives_a_role_to_a_service_needs_to_pass_it(aws: Emulator, unique: str) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/{unique}-passed"
    all_but_pass = {"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "*"}
    passes = {
        "Effect": "Allow", "Action": "iam:PassRole", "Resource": role,
        "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    }  # fmt: skip
    sessions = session_of(aws, create_role(aws, unique, all_but_pass, passes))
    sessions("sagemaker").create_model(
        ModelName=unique, ExecutionRoleArn=role, PrimaryContainer=CONTAINER
    )
    calls: list[Callable[[], Any]] = [
        lambda: sessions("iot").create_role_alias(roleAlias=unique, roleArn=role),
        lambda: sessions("greengrassv2").associate_service_role_to_account(roleArn=role),
        lambda: sessions("sagemaker").create_model(
            ModelName=unique, ExecutionRoleArn=f"{role}-2", PrimaryContainer=CONTAINER
        ),
    ]
    for call in calls:
        with pytest.raises(ClientError, match=f"perform: iam:PassRole on resource: {role}") as one:
            call()
        assert one.value.response["Error"]["Code"] == "AccessDeniedException"


def test_a_role_of_lambda_cloudformation_and_rules_needs_to_be_passed(
    aws: Emulator, unique: str
) -> None:
    role = create_role(aws, f"{unique}-passed", service="lambda.amazonaws.com")
    all_but_pass = {"Effect": "Allow", "NotAction": "iam:PassRole", "Resource": "*"}
    passes = {
        "Effect": "Allow", "Action": "iam:PassRole", "Resource": role,
        "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
    }  # fmt: skip
    sessions = session_of(aws, create_role(aws, unique, all_but_pass, passes))
    functions = sessions("lambda")
    function = {
        "FunctionName": unique, "Runtime": "python3.12", "Handler": "handler.handle",
        "Code": {"ZipFile": archive("def handle(event, context): pass")},
    }  # fmt: skip
    functions.create_function(Role=role, **function)
    stack = {"StackName": f"s{unique}", "TemplateBody": '{"Resources": {}}', "RoleARN": role}
    payload = {
        "sql": "SELECT * FROM 'x'",
        "actions": [{"cloudwatchLogs": {"roleArn": role, "logGroupName": "x"}}],
    }
    calls: list[Callable[[], Any]] = [
        lambda: functions.update_function_configuration(FunctionName=unique, Role=f"{role}-2"),
        lambda: sessions("cloudformation").create_stack(**stack),
        lambda: sessions("cloudformation").create_change_set(
            **stack, ChangeSetName="new", ChangeSetType="CREATE"
        ),
        lambda: sessions("events").put_targets(
            Rule=unique, Targets=[{"Id": "1", "Arn": role, "RoleArn": role}]
        ),
        lambda: sessions("iot").create_topic_rule(ruleName="x", topicRulePayload=payload),
    ]
    for call in calls:
        with pytest.raises(ClientError, match=f"perform: iam:PassRole on resource: {role}") as one:
            call()
        assert one.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert one.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}


def test_an_endpoint_is_invoked_by_those_who_may(aws: Emulator, unique: str) -> None:
    invokes = {
        "Effect": "Allow", "Action": "sagemaker:InvokeEndpoint",
        "Resource": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/allowed",
    }  # fmt: skip
    runtime = session_of(aws, create_role(aws, unique, invokes))("sagemaker-runtime")
    with pytest.raises(ClientError, match=r"Endpoint allowed of account .* not found"):
        runtime.invoke_endpoint(EndpointName="allowed", Body=b"")
    with pytest.raises(ClientError, match="not authorized to perform: sagemaker:InvokeEndpoint"):
        runtime.invoke_endpoint(EndpointName="other", Body=b"")
