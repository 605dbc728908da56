"""The emulator processes IoT rules, extracts metrics from log events, and evaluates alarms."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from testkit.waiting import eventually
from tests.emulator.running_emulator import (
    ACCOUNT,
    REGION,
    Emulator,
    create_role,
    policy,
    publish_function,
)

pytestmark = pytest.mark.emulator

COUNTS = """
import json
def handle(event, context):
    print(json.dumps({
        "_aws": {"Timestamp": EVENT_TIME, "CloudWatchMetrics": [{
            "Namespace": "Test", "Dimensions": [["Rule"]],
            "Metrics": [{"Name": "Count", "Unit": "Count"}]}]},
        "Rule": event["rule"], "Count": event["count"]}))
""".replace("EVENT_TIME", "__import__('time').time() * 1000")


@pytest.fixture
def log_group(aws: Emulator, unique: str) -> str:
    name = f"undelivered-{unique}"
    aws.client("logs").create_log_group(logGroupName=name)
    return name


@pytest.fixture
def rule(aws: Emulator, unique: str, log_group: str) -> tuple[str, str]:
    """The names of a rule with an error action, and of the counting function in the rule."""
    function = f"counts-{unique}"
    publish_function(aws, COUNTS, function)
    name = f"rule_{unique}"
    action = {"functionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"}
    writes = {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
        "Resource": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{log_group}:*",
    }
    role = create_role(aws, f"rule-{unique}", writes, service="iot.amazonaws.com")
    aws.client("iot").create_topic_rule(
        ruleName=name,
        topicRulePayload={
            "sql": f"SELECT count, topic(2) AS rule FROM 'test/{unique}'",  # noqa: S608 - the string is IoT SQL, without user input
            "actions": [{"lambda": action}],
            "errorAction": {"cloudwatchLogs": {"roleArn": role, "logGroupName": log_group}},
        },
    )
    return name, function


def publish(aws: Emulator, unique: str, count: int) -> None:
    aws.client("iot-data").publish(
        topic=f"test/{unique}", qos=1, payload=json.dumps({"count": count})
    )


def total(aws: Emulator, unique: str) -> float:
    now = datetime.now(UTC)
    points = aws.client("cloudwatch").get_metric_statistics(
        Namespace="Test",
        MetricName="Count",
        Dimensions=[{"Name": "Rule", "Value": unique}],
        StartTime=now - timedelta(minutes=5),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def test_a_message_becomes_a_metric_by_rule_function_and_log(
    aws: Emulator, rule: tuple[str, str], unique: str
) -> None:
    name, function = rule
    aws.client("lambda").add_permission(
        FunctionName=function,
        StatementId="rule",
        Action="lambda:InvokeFunction",
        Principal="iot.amazonaws.com",
        SourceArn=f"arn:aws:iot:{REGION}:{ACCOUNT}:rule/{name}",
    )
    publish(aws, unique, 3)
    publish(aws, unique, 4)
    eventually(lambda: total(aws, unique) == 7)


def test_a_rule_without_permission_calls_nothing_and_its_error_action_says_so(
    aws: Emulator, rule: tuple[str, str], unique: str, log_group: str
) -> None:
    name, _ = rule
    publish(aws, unique, 3)
    logs = aws.client("logs")
    (event,) = eventually(lambda: logs.filter_log_events(logGroupName=log_group)["events"])
    told = json.loads(event["message"])
    assert told["ruleName"] == name
    assert "not authorized" in told["failures"][0]["errorMessage"]
    assert total(aws, unique) == 0


def test_an_error_action_needs_the_rights_of_its_role(
    aws: Emulator, unique: str, rule: tuple[str, str], log_group: str
) -> None:
    logs = aws.client("logs")
    aws.client("iam").delete_role_policy(RoleName=f"rule-{unique}", PolicyName="own")
    publish(aws, unique, 1)
    aws.client("iam").put_role_policy(
        RoleName=f"rule-{unique}",
        PolicyName="own",
        PolicyDocument=policy({"Effect": "Allow", "Action": "logs:*", "Resource": "*"}),
    )
    publish(aws, unique, 2)

    def written() -> list[str]:
        found = logs.filter_log_events(logGroupName=log_group)["events"]
        return [event["message"] for event in found]

    eventually(written)
    # Rules process messages in order, so the first message cannot arrive later.
    assert len(written()) == 1
    assert rule[0] in written()[0]


def test_silence_sets_an_alarm_off_and_the_topic_hears_both_ends(
    aws: Emulator, unique: str
) -> None:
    cloudwatch, sns, sqs = (aws.client(name) for name in ("cloudwatch", "sns", "sqs"))
    topic = sns.create_topic(Name=unique)["TopicArn"]
    queue = sqs.create_queue(QueueName=unique)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn["QueueArn"])
    from_topic = {
        "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn["QueueArn"],
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }  # fmt: skip
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy(from_topic)})
    metric = {"Namespace": "Test", "MetricName": f"Heartbeats-{unique}"}

    def beat(thing: str, ago_seconds: float) -> None:
        cloudwatch.put_metric_data(
            Namespace=metric["Namespace"],
            MetricData=[
                {
                    "MetricName": metric["MetricName"],
                    "Dimensions": [{"Name": "Thing", "Value": thing}],
                    "Value": 1,
                    "Timestamp": datetime.now(UTC) - timedelta(seconds=ago_seconds),
                }
            ],
        )

    def state() -> str:
        (alarm,) = cloudwatch.describe_alarms(AlarmNames=[unique])["MetricAlarms"]
        return str(alarm["StateValue"])

    def told() -> str:
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1).get("Messages", [])
        for one in received:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=one["ReceiptHandle"])
            return str(json.loads(json.loads(one["Body"])["Message"])["NewStateValue"])
        return ""

    beat("one", 0)
    cloudwatch.put_metric_alarm(
        AlarmName=unique, **metric, Dimensions=[{"Name": "Thing", "Value": "one"}],
        Statistic="Sum", Period=10, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="LessThanThreshold", TreatMissingData="breaching",
        AlarmActions=[topic], OKActions=[topic],
    )  # fmt: skip

    def becomes(value: str, thing: str) -> None:
        """Send a camera's heartbeats until the alarm and its topic report the state `value`."""
        eventually(lambda: beat(thing, 0) or state() == value, pause=0.5)
        eventually(lambda: told() == value)

    becomes("OK", "one")
    # The alarm of this camera ignores heartbeats of other cameras.
    becomes("ALARM", "two")
    becomes("OK", "one")
