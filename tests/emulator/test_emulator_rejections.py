"""The emulator rejects the same calls as AWS, with the same error codes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.input_validation.rules.shadows import DEEPEST_STATE, LARGEST_STATE_BYTES
from tests.emulator.running_emulator import ACCOUNT, REGION, Emulator, functions_role, recipe

pytestmark = pytest.mark.emulator

IOT_ARN = f"arn:aws:iot:{REGION}:{ACCOUNT}"
RATE = {
    "baseRatePerMinute": 5,
    "incrementFactor": 1.5,
    "rateIncreaseCriteria": {"numberOfNotifiedThings": 10},
}


def rejection(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    """Return the error code and message of a rejected call."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def group(iot: Any, unique: str) -> str:
    iot.create_thing_group(thingGroupName=unique)
    return f"{IOT_ARN}:thinggroup/{unique}"


@pytest.fixture
def role(aws: Emulator, unique: str) -> str:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    aws.client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(trust))
    return unique


def policy(*actions: str, resource: str = "*", **statement: Any) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": list(actions), "Resource": resource, **statement}
            ],
        }
    )


def policy_of(size: int) -> str:
    """Return an identity policy with a size of `size` characters, as IAM counts them."""
    empty = json.dumps(json.loads(policy("s3:GetObject", resource="arn:aws:s3:::")))
    counted = len("".join(empty.split()))
    return policy("s3:GetObject", resource="arn:aws:s3:::" + "k" * (size - counted))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"incrementFactor": 1.55}, "one digit"),
        ({"incrementFactor": 1.0}, "at least 1.1"),
        ({"baseRatePerMinute": 100}, "maximumPerMinute 50"),
    ],
)
def test_a_rollout_rate_that_jobs_cannot_follow(
    aws: Emulator, group: str, unique: str, changes: dict[str, Any], reason: str
) -> None:
    rollout = {"exponentialRate": {**RATE, **changes}, "maximumPerMinute": 50}
    greengrass, iot = aws.unchecked_client("greengrassv2"), aws.unchecked_client("iot")
    code, message = rejection(
        greengrass.create_deployment,
        targetArn=group,
        components={},
        iotJobConfiguration={"jobExecutionsRolloutConfig": rollout},
    )
    assert code == "ValidationException"
    assert reason in message
    code, message = rejection(
        iot.create_job, jobId=unique, targets=[group], document="{}",
        jobExecutionsRolloutConfig=rollout,
    )  # fmt: skip
    assert code == "InvalidRequestException"


def test_a_rollout_rate_of_one_decimal_is_accepted(greengrass: Any, group: str) -> None:
    rollout = {"exponentialRate": RATE, "maximumPerMinute": 50}
    greengrass.create_deployment(
        targetArn=group,
        components={},
        iotJobConfiguration={"jobExecutionsRolloutConfig": rollout},
    )


@pytest.mark.parametrize("tags", [{"aws:owner": "a"}, {"AWS:owner": "a"}, {"owner": "a#b"}])
def test_tags_that_aws_reserves_or_cannot_store(
    greengrass: Any, group: str, unique: str, tags: dict[str, str]
) -> None:
    code, _ = rejection(greengrass.create_deployment, targetArn=group, components={}, tags=tags)
    assert code == "ValidationException"
    content = json.dumps(recipe(f"com.{unique}")).encode()
    code, _ = rejection(greengrass.create_component_version, inlineRecipe=content, tags=tags)
    assert code == "ValidationException"
    deployment = greengrass.create_deployment(targetArn=group, components={})["deploymentId"]
    arn = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:deployments:{deployment}"
    code, _ = rejection(greengrass.tag_resource, resourceArn=arn, tags=tags)
    assert code == "ValidationException"


def test_a_component_that_depends_on_itself(greengrass: Any, unique: str) -> None:
    name = f"com.{unique}"
    content = recipe(name, ComponentDependencies={name: {"VersionRequirement": "^1.0.0"}})
    code, message = rejection(
        greengrass.create_component_version, inlineRecipe=json.dumps(content).encode()
    )
    assert code == "ValidationException"
    assert "cannot depend on itself" in message


def test_a_deployment_to_a_thing_group_with_a_colon(greengrass: Any, iot: Any, unique: str) -> None:
    iot.create_thing_group(thingGroupName=f"a:{unique}")
    code, message = rejection(
        greengrass.create_deployment,
        targetArn=f"{IOT_ARN}:thinggroup/a:{unique}",
        components={},
    )
    assert code == "ValidationException"
    assert "colon" in message


def test_an_eleventh_group_of_a_thing(iot: Any, unique: str) -> None:
    iot.create_thing(thingName=unique)
    for number in range(11):
        iot.create_thing_group(thingGroupName=f"{unique}-{number}")
    for number in range(10):
        iot.add_thing_to_thing_group(thingName=unique, thingGroupName=f"{unique}-{number}")
    eleventh = {"thingName": unique, "thingGroupName": f"{unique}-10"}
    code, message = rejection(iot.add_thing_to_thing_group, **eleventh)
    assert code == "InvalidRequestException"
    assert "more than 10" in message
    # Adding a thing to its group again does not increase the number of groups.
    iot.add_thing_to_thing_group(thingName=unique, thingGroupName=f"{unique}-9")
    iot.remove_thing_from_thing_group(thingName=unique, thingGroupName=f"{unique}-9")
    iot.add_thing_to_thing_group(**eleventh)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"k": value}
    return value


def test_a_shadow_above_eight_kilobytes(aws: Emulator, unique: str) -> None:
    data = aws.client("iot-data")
    room = LARGEST_STATE_BYTES - len('{"reported":{"k":""}}')

    def update(state: Any) -> dict[str, Any]:
        return {"thingName": unique, "payload": json.dumps({"state": state})}

    data.update_thing_shadow(**update({"reported": {"k": "x" * room}}))
    code, _ = rejection(data.update_thing_shadow, **update({"reported": {"k": "x" * (room + 1)}}))
    assert code == "RequestEntityTooLargeException"
    # The limit applies to the shadow, not to the request.
    code, _ = rejection(data.update_thing_shadow, **update({"desired": {"a": 1}}))
    assert code == "RequestEntityTooLargeException"
    data.update_thing_shadow(**update({"reported": None, "desired": {"a": 1}}))


def test_a_shadow_deeper_than_six_levels(aws: Emulator, unique: str) -> None:
    data = aws.client("iot-data")

    def update(levels: int) -> dict[str, Any]:
        state = {"state": {"reported": nested(levels)}}
        return {"thingName": unique, "payload": json.dumps(state)}

    data.update_thing_shadow(**update(DEEPEST_STATE))
    code, message = rejection(data.update_thing_shadow, **update(DEEPEST_STATE + 1))
    assert code == "InvalidRequestException"
    assert message == "JSON contains too many levels of nesting; maximum is 6"


@pytest.mark.parametrize("action", ["iot:Nope", "iot:", "Connect", "s3:GetObject", "iott:*"])
def test_an_iot_policy_with_an_unknown_action(iot: Any, unique: str, action: str) -> None:
    code, _ = rejection(
        iot.create_policy, policyName=unique, policyDocument=policy("iot:Connect", action)
    )
    assert code == "MalformedPolicyException"


@pytest.mark.parametrize(
    "action",
    ["iot:Connect", "iot:*", "*", "greengrass:*", "iot:assumerolewithcertificate", "iot:Get*",
     "greengrass:ResolveComponentCandidates", "iot:UpdateThingShadow"],
)  # fmt: skip
def test_an_iot_policy_with_actions_of_devices_is_accepted(
    iot: Any, unique: str, action: str
) -> None:
    iot.create_policy(policyName=unique, policyDocument=policy(action))


@pytest.mark.parametrize("member", ["actions", "errorAction"])
def test_a_topic_rule_with_a_role_that_does_not_exist(iot: Any, unique: str, member: str) -> None:
    action = {
        "republish": {"roleArn": f"arn:aws:iam::{ACCOUNT}:role/{unique}", "topic": "elsewhere"}
    }
    payload = {"sql": "SELECT * FROM 'a'", "actions": []}
    payload[member] = [action] if member == "actions" else action
    code, message = rejection(
        iot.create_topic_rule, ruleName=f"r{unique}", topicRulePayload=payload
    )
    assert code == "InvalidRequestException"
    assert unique in message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Role": f"arn:aws:iam::{ACCOUNT}:role/none"}, "cannot be assumed by Lambda"),
        ({"Runtime": "python3.7"}, "python3.7 is no longer supported"),
        ({"Runtime": "nodejs14.x"}, "nodejs14.x is no longer supported"),
    ],
)
def test_a_function_without_a_role_or_with_a_closed_runtime(
    aws: Emulator, function_arn: str, unique: str, changes: dict[str, str], reason: str
) -> None:
    functions = aws.client("lambda")
    code = functions.get_function(FunctionName=function_arn)["Configuration"]
    given = {"Role": functions_role(aws), "Runtime": "python3.12", **changes}
    result = rejection(
        functions.create_function, FunctionName=unique, Handler="handler.handle",
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)}, **given,
    )  # fmt: skip
    assert result[0] == "InvalidParameterValueException"
    assert reason in result[1]
    result = rejection(
        functions.update_function_configuration, FunctionName=code["FunctionName"], **changes
    )
    assert result[0] == "InvalidParameterValueException"


def test_a_function_whose_role_trusts_another_service(aws: Emulator, role: str) -> None:
    code, _ = rejection(
        aws.client("lambda").create_function, FunctionName=role, Handler="handler.handle",
        Code={"ZipFile": b"PK\x05\x06" + bytes(18)}, Runtime="python3.12",
        Role=f"arn:aws:iam::{ACCOUNT}:role/{role}",
    )  # fmt: skip
    assert code == "InvalidParameterValueException"


def test_a_managed_policy_above_6144_characters(aws: Emulator, unique: str) -> None:
    iam = aws.client("iam")
    iam.create_policy(PolicyName=unique, PolicyDocument=policy_of(6144))
    code, message = rejection(
        iam.create_policy, PolicyName=f"{unique}-2", PolicyDocument=policy_of(6145)
    )
    assert (code, message) == ("LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    code, _ = rejection(
        iam.create_policy_version,
        PolicyArn=f"arn:aws:iam::{ACCOUNT}:policy/{unique}",
        PolicyDocument=policy_of(6145),
    )
    assert code == "LimitExceeded"


def test_inline_policies_count_together(aws: Emulator, role: str) -> None:
    iam = aws.client("iam")
    for name in ("a", "b"):
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy_of(5120))
    # The size of the changed policy replaces the size of the old policy.
    iam.put_role_policy(RoleName=role, PolicyName="b", PolicyDocument=policy_of(5120))
    code, message = rejection(
        iam.put_role_policy, RoleName=role, PolicyName="c", PolicyDocument=policy("s3:GetObject")
    )
    assert code == "LimitExceeded"
    assert message == f"Maximum policy size of 10240 bytes exceeded for role {role}"


@pytest.mark.parametrize(("kind", "largest"), [("user", 2048), ("group", 5120)])
def test_users_and_groups_have_smaller_policies(
    aws: Emulator, unique: str, kind: str, largest: int
) -> None:
    iam, name = aws.client("iam"), {f"{kind.title()}Name": unique}
    getattr(iam, f"create_{kind}")(**name)
    put = getattr(iam, f"put_{kind}_policy")
    put(**name, PolicyName="a", PolicyDocument=policy_of(largest))
    code, _ = rejection(put, **name, PolicyName="a", PolicyDocument=policy_of(largest + 1))
    assert code == "LimitExceeded"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (policy("GetObject"), "prefaced by a vendor"),
        (policy("s3:Get:Object"), "only one colon"),
        (policy("s 3:GetObject"), "Vendor s 3 is not valid"),
        (policy("s3:GetObject", resource="bucket"), "must be in ARN format"),
        (policy("s3:GetObject", Principal="*"), "should not specify a principal"),
        (policy(), "must contain actions"),
        ("{", "Syntax errors"),
    ],
)
def test_a_malformed_identity_policy(aws: Emulator, role: str, document: str, reason: str) -> None:
    iam = aws.client("iam")
    for call, params in (
        (iam.create_policy, {"PolicyName": role}),
        (iam.put_role_policy, {"RoleName": role, "PolicyName": "a"}),
    ):
        code, message = rejection(call, PolicyDocument=document, **params)
        assert code == "MalformedPolicyDocument"
        assert reason in message


def test_a_trust_policy_that_is_too_large_or_has_no_principal(aws: Emulator, unique: str) -> None:
    def trust(**statement: Any) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", **statement}]})  # fmt: skip

    create = aws.client("iam").create_role
    principals = [f"arn:aws:iam::{ACCOUNT}:role/{number:040d}" for number in range(40)]
    code, message = rejection(
        create, RoleName=unique, AssumeRolePolicyDocument=trust(Principal={"AWS": principals})
    )
    assert (code, message) == ("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
    code, _ = rejection(create, RoleName=unique, AssumeRolePolicyDocument=trust())
    assert code == "MalformedPolicyDocument"


def test_an_eleventh_managed_policy_of_a_role(aws: Emulator, role: str) -> None:
    iam = aws.client("iam")
    arns = [
        iam.create_policy(PolicyName=f"{role}-{number}", PolicyDocument=policy("s3:GetObject"))[
            "Policy"
        ]["Arn"]
        for number in range(11)
    ]
    for arn in arns[:10]:
        iam.attach_role_policy(RoleName=role, PolicyArn=arn)
    code, message = rejection(iam.attach_role_policy, RoleName=role, PolicyArn=arns[10])
    assert (code, message) == ("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10")


def alarm(name: str, period: int, count: int) -> dict[str, Any]:
    return {
        "AlarmName": name, "Namespace": "a", "MetricName": "b", "Statistic": "Sum",
        "Period": period, "EvaluationPeriods": count, "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }  # fmt: skip


@pytest.mark.parametrize(("period", "count"), [(60, 1441), (3600, 169), (90, 1)])
def test_an_alarm_over_more_than_a_day_or_week(
    aws: Emulator, unique: str, period: int, count: int
) -> None:
    put = aws.client("cloudwatch").put_metric_alarm
    assert rejection(put, **alarm(unique, period, count))[0] == "ValidationError"


@pytest.mark.parametrize(("period", "count"), [(60, 1440), (3600, 168), (10, 6)])
def test_an_alarm_over_a_day_or_week_is_accepted(
    aws: Emulator, unique: str, period: int, count: int
) -> None:
    aws.client("cloudwatch").put_metric_alarm(**alarm(unique, period, count))


@pytest.mark.parametrize(
    ("service", "operation", "params", "code"),
    [
        ("iam", "create_role", {"RoleName": "a b", "AssumeRolePolicyDocument": "{}"},
         "ValidationError"),
        ("iam", "create_role", {"RoleName": "a"}, "ValidationError"),
        ("sts", "assume_role", {"RoleArn": "a", "RoleSessionName": "session"}, "ValidationError"),
        ("cloudformation", "create_stack", {"StackName": "a", "TimeoutInMinutes": 0},
         "ValidationError"),
        ("cloudwatch", "put_metric_alarm", {**alarm("a", 60, 1), "ComparisonOperator": "Less"},
         "ValidationError"),
        ("lambda", "create_function", {"FunctionName": "a b", "Role": "a", "Code": {}},
         "ValidationException"),
        ("lambda", "update_function_configuration", {"FunctionName": "a", "MemorySize": 64},
         "ValidationException"),
        ("iot", "create_thing", {"thingName": "a b"}, "InvalidRequestException"),
        ("iot", "create_thing_group", {"thingGroupName": "g" * 129}, "InvalidRequestException"),
        ("iot-data", "update_thing_shadow", {"thingName": "a b", "payload": b"{}"},
         "InvalidRequestException"),
        ("logs", "create_log_group", {"logGroupName": "a b"}, "InvalidParameterException"),
        ("events", "put_rule", {"Name": "a b", "ScheduleExpression": "rate(1 day)"},
         "ValidationException"),
        ("stepfunctions", "create_state_machine", {"name": "a", "definition": "{}"},
         "ValidationException"),
        ("kms", "create_key", {"Description": "d" * 8193}, "ValidationException"),
        ("ssm", "put_parameter", {"Name": "a", "Value": "b", "Type": "Text"},
         "ValidationException"),
        ("sns", "create_topic", {}, "InvalidParameter"),
        ("greengrassv2", "list_components", {"maxResults": 101}, "ValidationException"),
        ("sagemaker", "create_model", {"ModelName": "a_b"}, "ValidationException"),
        ("application-autoscaling", "describe_scalable_targets", {"ServiceNamespace": "a"},
         "ValidationException"),
    ],
)  # fmt: skip
def test_an_input_that_breaks_the_services_model(
    aws: Emulator, service: str, operation: str, params: dict[str, Any], code: str
) -> None:
    client = aws.unchecked_client(service)
    given = rejection(getattr(client, operation), **params)
    assert given[0] == code
    assert "failed to satisfy constraint" in given[1]
