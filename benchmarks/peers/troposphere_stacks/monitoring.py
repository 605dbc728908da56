"""What cameras say, counted, drawn and watched."""

from typing import Any

from troposphere import AWSProperty, Output, Ref, Tags, Template, awslambda, events, iot, kms, sns

from benchmarks.peers.troposphere_stacks.alarms import add_alarms
from benchmarks.peers.troposphere_stacks.assets import Assets
from benchmarks.peers.troposphere_stacks.dashboard import add_dashboard
from benchmarks.peers.troposphere_stacks.environment import Environment
from benchmarks.peers.troposphere_stacks.functions import Function, add_function, add_log
from benchmarks.peers.troposphere_stacks.model_store import account_owns_key
from benchmarks.peers.troposphere_stacks.policies import (
    add_policy,
    add_role,
    allow,
    arn_of,
    document,
)

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


def monitoring(environment: Environment, assets: Assets) -> Template:
    """Return the template."""
    template = Template(Description=f"DeepLens {environment.name}: metrics, logs and alarms")
    function = _add_metrics_function(template, environment, assets)
    _add_rules(template, environment, function)
    _listen_to_deployments(template, environment, function)
    topic = _add_topic(template, environment)
    add_alarms(template, environment, topic, function.resource)
    add_dashboard(template, environment, function.log)
    template.add_output(Output("AlarmTopicArn", Value=Ref(topic)))
    template.add_output(Output("LogGroupName", Value=Ref(function.log)))
    return template


def _add_metrics_function(template: Template, environment: Environment, assets: Assets) -> Function:
    return add_function(
        template,
        "Metrics",
        environment,
        assets,
        sources="monitoring",
        retention_days=environment.monitoring["log_retention_days"],
        statements=[
            allow(
                "NameFailedDeployment",
                ["greengrass:GetDeployment"],
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
                "DEEPLENS_DEPLOYMENT_NAME": f"deeplens-{environment.name}",
            }
        ),
    )


def _add_rules(template: Template, environment: Environment, function: Function) -> None:
    log = add_log(template, "MetricsUndelivered", environment.monitoring["log_retention_days"])
    write = add_policy(
        template,
        "MetricsWriteUndelivered",
        allow(
            "WriteUndelivered",
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [arn_of(log)],
        ),
    )
    role = add_role(
        template,
        "MetricsUndeliveredRole",
        environment,
        service="iot.amazonaws.com",
        source_arn=environment.arn("iot", f"rule/{_rule_name(environment, '*')}"),
        policy=write,
    )
    topic = environment.inference["topic"]
    levels = topic.split("/")
    thing = f"topic({levels.index('{thing}') + 1}) AS thing" if "{thing}" in levels else "thing"
    members = "id, model, frame, inference_ms, detections, error, dropped"
    mine = f"function:deeplens-{environment.name}-inference:"
    for name, sql in (
        ("messages", f"SELECT {members}, {thing} FROM '{topic.replace('{thing}', '+')}'"),
        (
            "heartbeats",
            "SELECT state.reported AS heartbeat, topic(3) AS thing "  # noqa: S608 - IoT's SQL
            "FROM '$aws/things/+/shadow/name/deeplens/update/accepted' "
            f"WHERE regexp_matches(state.reported.function, '{mine}')",
        ),
    ):
        title = f"Metrics{name.capitalize()}"
        rule = template.add_resource(
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
        _permit(template, f"{title}MayCall", "iot.amazonaws.com", rule, function)


def _rule_name(environment: Environment, name: str) -> str:
    return f"deeplens_{environment.name}_{name}".replace("-", "_")


def _listen_to_deployments(
    template: Template, environment: Environment, function: Function
) -> None:
    rule = template.add_resource(
        events.Rule(
            "MetricsFailedDeployments",
            Description=f"DeepLens {environment.name}: deployments that failed on a device",
            EventPattern={
                "source": ["aws.greengrass"],
                "detail-type": ["Greengrass V2 Effective Deployment Status Change"],
                "detail": {"coreDeviceExecutionStatus": ["FAILED", "REJECTED"]},
            },
            Targets=[events.Target(Id="Metrics", Arn=arn_of(function.resource))],
        )
    )
    _permit(template, "MetricsEventsMayCall", "events.amazonaws.com", rule, function)


def _permit(template: Template, title: str, service: str, source: Any, function: Function) -> None:
    template.add_resource(
        awslambda.Permission(
            title,
            Action="lambda:InvokeFunction",
            FunctionName=arn_of(function.resource),
            Principal=service,
            SourceArn=arn_of(source),
        )
    )


def _add_topic(template: Template, environment: Environment) -> sns.Topic:
    use_key = {
        "Sid": "AlarmsUseKey",
        "Effect": "Allow",
        "Principal": _CLOUDWATCH,
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Resource": "*",
    }
    key = template.add_resource(
        kms.Key(
            "AlarmsKey",
            Description="Notifications of alarms",
            EnableKeyRotation=True,
            KeyPolicy=document(account_owns_key(environment), use_key),
            PendingWindowInDays=7,
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
        )
    )
    topic = template.add_resource(sns.Topic("AlarmsTopic", KmsMasterKeyId=arn_of(key)))
    publish = {"Action": "sns:Publish", "Resource": Ref(topic)}
    template.add_resource(
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
        template.add_resource(
            sns.SubscriptionResource(
                f"AlarmsTopic{''.join(filter(str.isalnum, address))}",
                Protocol="email",
                Endpoint=address,
                TopicArn=Ref(topic),
            )
        )
    return topic
