"""What cameras say, counted, drawn and watched."""

from typing import Any

from troposphere import AWSProperty, Ref, Tags, awslambda, events, iot, kms, sns, sqs

from benchmarks.peers.troposphere_stacks.alarms import add_alarms
from benchmarks.peers.troposphere_stacks.assets import Assets
from benchmarks.peers.troposphere_stacks.dashboard import add_dashboard
from benchmarks.peers.troposphere_stacks.environment import Environment
from benchmarks.peers.troposphere_stacks.functions import (
    WITH_STACK,
    Function,
    add_function,
    add_log,
)
from benchmarks.peers.troposphere_stacks.model_store import account_owns_key
from benchmarks.peers.troposphere_stacks.policies import (
    add_policy,
    add_role,
    allow,
    arn_of,
    document,
)
from benchmarks.peers.troposphere_stacks.stack import Stack

_CLOUDWATCH = {"Service": "cloudwatch.amazonaws.com"}


class CloudwatchLogsAction(AWSProperty):  # type: ignore[misc]  # troposphere has no types
    """An action that troposphere does not have yet."""

    props = {"LogGroupName": (str, True), "RoleArn": (str, True)}  # noqa: RUF012 - as troposphere


class Action(iot.Action):  # type: ignore[misc]  # as above
    """With the action above."""

    props = {**iot.Action.props, "CloudwatchLogs": (CloudwatchLogsAction, False)}  # noqa: RUF012


class TopicRule(iot.TopicRule):  # type: ignore[misc]  # as above
    """With tags, which troposphere does not have yet."""

    props = {**iot.TopicRule.props, "Tags": (Tags, False)}  # noqa: RUF012 - as above


def monitoring(environment: Environment, assets: Assets) -> Stack:
    """Return the whole stack."""
    stack = Stack(environment, assets, "metrics, logs and alarms")
    function = _add_metrics_function(stack)
    _add_rules(stack, function)
    undelivered = _listen_to_deployments(stack, function)
    topic = _add_topic(stack)
    add_alarms(stack, topic, function.resource, undelivered)
    add_dashboard(stack, function.log)
    stack.output("AlarmTopicArn", Ref(topic))
    stack.output("LogGroupName", Ref(function.log))
    return stack


def _add_metrics_function(stack: Stack) -> Function:
    environment = stack.environment
    return add_function(
        stack,
        "Metrics",
        sources="monitoring",
        retention_days=environment.monitoring["log_retention_days"],
        statements=[
            allow(
                "ReadOwnersOfDeployments",
                ["greengrass:ListTagsForResource"],
                [environment.arn("greengrass", "deployments:*")],
            )
        ],
        Description="What cameras say, as metrics and logs",
        Handler="fleet_metrics.handler",
        Timeout=10,
        MemorySize=128,
        Environment=awslambda.Environment(
            Variables={
                "DEEPLENS_ENVIRONMENT": environment.name,
                "DEEPLENS_RELEASE_STACK": f"{environment.name}-Inference",
            }
        ),
    )


def _add_rules(stack: Stack, function: Function) -> None:
    environment = stack.environment
    log = add_log(stack, "MetricsUndelivered", environment.monitoring["log_retention_days"])
    write = add_policy(
        stack,
        "MetricsWriteUndelivered",
        allow(
            "WriteUndelivered",
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [arn_of(log)],
        ),
    )
    role = add_role(
        stack,
        "MetricsUndeliveredRole",
        service="iot.amazonaws.com",
        source_arn=environment.arn("iot", f"rule/{_rule_name(environment, '*')}"),
        policy=write,
    )
    topic = environment.inference["topic"]
    levels = topic.split("/")
    thing = f"topic({levels.index('{thing}') + 1}) AS thing" if "{thing}" in levels else "thing"
    members = "id, model, frame, inference_ms, detections, error, dropped"
    mine = f"function:deeplens-{environment.name}-inference:"
    messages = f"SELECT {members}, {thing} FROM '{topic.replace('{thing}', '+')}'"  # noqa: S608 - IoT's SQL: no quote is in a topic
    heartbeats = (
        "SELECT state.reported AS heartbeat, topic(3) AS thing "  # noqa: S608 - as above
        "FROM '$aws/things/+/shadow/name/deeplens/update/accepted' "
        f"WHERE regexp_matches(state.reported.function, '{mine}')"
    )
    for name, sql in (("messages", messages), ("heartbeats", heartbeats)):
        title = f"Metrics{name.capitalize()}"
        rule = stack.add(
            TopicRule(
                title,
                RuleName=_rule_name(environment, name),
                TopicRulePayload=iot.TopicRulePayload(
                    Description=f"DeepLens {environment.name}: {name} to metrics and logs",
                    Sql=sql,
                    AwsIotSqlVersion="2016-03-23",
                    RuleDisabled=False,
                    Actions=[
                        iot.Action(Lambda=iot.LambdaAction(FunctionArn=arn_of(function.resource)))
                    ],
                    ErrorAction=Action(
                        CloudwatchLogs=CloudwatchLogsAction(
                            LogGroupName=Ref(log), RoleArn=arn_of(role)
                        )
                    ),
                ),
            )
        )
        _permit(stack, f"{title}MayCall", "iot.amazonaws.com", rule, function)


def _rule_name(environment: Environment, name: str) -> str:
    return f"deeplens_{environment.name}_{name}".replace("-", "_")


def _listen_to_deployments(stack: Stack, function: Function) -> sqs.Queue:
    environment = stack.environment
    queue = stack.add(
        sqs.Queue(
            "MetricsUndeliveredEventsQueue",
            MessageRetentionPeriod=14 * 24 * 3600,
            SqsManagedSseEnabled=True,
            **WITH_STACK,
        )
    )
    rule = stack.add(
        events.Rule(
            "MetricsFailedDeployments",
            Description=f"DeepLens {environment.name}: deployments that failed on a device",
            EventPattern={
                "source": ["aws.greengrass"],
                "detail-type": ["Greengrass V2 Effective Deployment Status Change"],
                "detail": {"coreDeviceExecutionStatus": ["FAILED", "REJECTED"]},
            },
            Targets=[
                events.Target(
                    Id="Metrics",
                    Arn=arn_of(function.resource),
                    DeadLetterConfig=events.DeadLetterConfig(Arn=arn_of(queue)),
                )
            ],
        )
    )
    stack.add(
        sqs.QueuePolicy(
            "MetricsUndeliveredEventsQueuePolicy",
            Queues=[Ref(queue)],
            PolicyDocument=document(
                {
                    "Effect": "Deny",
                    "Action": "sqs:*",
                    "Resource": arn_of(queue),
                    "Principal": {"AWS": "*"},
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
                {
                    "Sid": "UndeliveredEventsOfOneRule",
                    "Effect": "Allow",
                    "Action": "sqs:SendMessage",
                    "Resource": arn_of(queue),
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Condition": {"ArnEquals": {"aws:SourceArn": arn_of(rule)}},
                },
            ),
        )
    )
    _permit(stack, "MetricsEventsMayCall", "events.amazonaws.com", rule, function)
    return queue


def _permit(stack: Stack, title: str, service: str, source: Any, function: Function) -> None:
    stack.add(
        awslambda.Permission(
            title,
            Action="lambda:InvokeFunction",
            FunctionName=arn_of(function.resource),
            Principal=service,
            SourceArn=arn_of(source),
        )
    )


def _add_topic(stack: Stack) -> sns.Topic:
    environment = stack.environment
    use_key = {
        "Sid": "AlarmsUseKey",
        "Effect": "Allow",
        "Principal": _CLOUDWATCH,
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "*",
    }
    key = stack.add(
        kms.Key(
            "AlarmsKey",
            Description="Notifications of alarms",
            EnableKeyRotation=True,
            KeyPolicy=document(account_owns_key(environment), use_key),
            PendingWindowInDays=7,
            **WITH_STACK,
        )
    )
    topic = stack.add(sns.Topic("AlarmsTopic", KmsMasterKeyId=arn_of(key)))
    publish = {"Action": "sns:Publish", "Resource": Ref(topic)}
    stack.add(
        sns.TopicPolicy(
            "AlarmsTopicPolicy",
            Topics=[Ref(topic)],
            PolicyDocument=document(
                {
                    **publish,
                    "Sid": "AllowPublishThroughSSLOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
                {
                    **publish,
                    "Sid": "AlarmsPublish",
                    "Effect": "Allow",
                    "Principal": _CLOUDWATCH,
                    "Condition": {
                        "ArnLike": {"aws:SourceArn": environment.arn("cloudwatch", "alarm:*")},
                        "StringEquals": {"aws:SourceAccount": environment.account},
                    },
                },
            ),
        )
    )
    for address in environment.monitoring["notify"]:
        stack.add(
            sns.SubscriptionResource(
                f"AlarmsTopic{''.join(filter(str.isalnum, address))}",
                Protocol="email",
                Endpoint=address,
                TopicArn=Ref(topic),
            )
        )
    return topic
