"""Metrics and logs of the fleet: IoT rules, Greengrass events, and their function."""

from aws_cdk import Duration, aws_events, aws_iam, aws_iot, aws_lambda, aws_logs, aws_sqs
from constructs import Construct

from deeplens.config import EnvironmentConfig
from stacks.constructs.function_code import code, fleet_metrics_archive
from stacks.constructs.iam import Statement, managed_policy
from stacks.constructs.inference_function import function_name
from stacks.constructs.lambda_defaults import ARCHITECTURE, RUNTIME
from stacks.constructs.release_stack import release_stack_name
from stacks.constructs.scanner_suppressions import (
    suppress_lambda_findings,
    suppress_python_runtime_finding,
    suppress_wildcard_findings,
)
from stacks.constructs.service_role import ServiceLog, lambda_role, service_principal
from stacks.constructs.undelivered_events import UndeliveredEvents

NAMESPACE = "DeepLens"

_TIMEOUT = Duration.seconds(10)
_SQL_VERSION = "2016-03-23"
_MESSAGE_MEMBERS = "id, model, frame, inference_ms, detections, error, dropped"
_HEARTBEATS = "$aws/things/+/shadow/name/deeplens/update/accepted"


class FleetMetrics(Construct):
    """A function that writes Embedded Metric Format, and the rules that call it."""

    def __init__(self, scope: Construct, id_: str, *, environment: EnvironmentConfig) -> None:
        super().__init__(scope, id_)
        self._environment, self._aws_environment = environment.name, environment.aws_environment
        retention_days = environment.monitoring.log_retention_days
        self.log_group = ServiceLog(self, "Log", retention_days=retention_days)
        self.function = self._function()
        self._function_arn = self.function.function_arn
        self._log_undelivered = self._undelivered_action(
            ServiceLog(self, "Undelivered", retention_days=retention_days)
        )

        # Only these members are selected, so that a member `thing` of the message cannot replace
        # the thing name from the topic.
        self._rule(
            "messages",
            select=f"{_MESSAGE_MEMBERS}, {_thing(environment)}",
            topic_filter=environment.inference.topic_filter,
        )
        # The shadow topic filter matches all environments of the account and Region; the function's
        # ARN identifies one environment.
        mine = f"function:{function_name(environment.name)}:"
        self._rule(
            "heartbeats",
            select="state.reported AS heartbeat, topic(3) AS thing",
            topic_filter=_HEARTBEATS,
            where=f"regexp_matches(state.reported.function, '{mine}')",
        )
        self.undelivered_events = self._listen_to_deployments()

    def _function(self) -> aws_lambda.Function:
        # GetDeployment would require permissions on jobs, things and shadows. ListTagsForResource
        # requires no other permission.
        read_deployments = Statement(
            sid="ReadOwnersOfDeployments",
            actions=["greengrass:ListTagsForResource"],
            resources=[self._aws_environment.arn("greengrass", "deployments:*")],
        )
        role = lambda_role(
            self,
            "Role",
            account=self._aws_environment.account,
            log_group=self.log_group,
            statements=[read_deployments],
        )
        suppress_wildcard_findings(
            self, [read_deployments], "deployments get their ids from the service"
        )
        function = aws_lambda.Function(
            self,
            "Function",
            description="Writes messages of cameras as metrics and logs",
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            code=code(fleet_metrics_archive()),
            handler="fleet_metrics.handler",
            timeout=_TIMEOUT,
            memory_size=128,
            role=role,
            log_group=self.log_group,
            environment={
                "DEEPLENS_ENVIRONMENT": self._environment,
                "DEEPLENS_RELEASE_STACK": release_stack_name(self),
            },
        )
        suppress_python_runtime_finding(function)
        suppress_lambda_findings(
            function,
            no_limit="cameras bound how often it is called, and a limit would lose the heartbeats "
            "of those that are well",
            no_queue="what is lost is a point of a metric, an alarm watches its errors, and IoT "
            "logs what it could not hand over",
        )
        return function

    def _rule(self, name: str, *, select: str, topic_filter: str, where: str = "") -> None:
        """Create a rule that passes messages to the function and logs undelivered messages."""
        sql = f"SELECT {select} FROM '{topic_filter}'"  # noqa: S608 - topics contain no quotes
        if where:
            sql += f" WHERE {where}"
        rule = aws_iot.CfnTopicRule(
            self,
            name.capitalize(),
            # The name is fixed, because the role for undelivered messages trusts only these rules.
            rule_name=self._rule_name(name),
            topic_rule_payload=aws_iot.CfnTopicRule.TopicRulePayloadProperty(
                description=f"DeepLens {self._environment}: {name} to metrics and logs",
                sql=sql,
                aws_iot_sql_version=_SQL_VERSION,
                rule_disabled=False,
                actions=[
                    aws_iot.CfnTopicRule.ActionProperty(
                        lambda_=aws_iot.CfnTopicRule.LambdaActionProperty(
                            function_arn=self._function_arn
                        )
                    )
                ],
                error_action=self._log_undelivered,
            ),
        )
        self._permit(f"{name.capitalize()}MayCall", "iot.amazonaws.com", rule.attr_arn)

    def _rule_name(self, name: str) -> str:
        return f"deeplens_{self._environment}_{name}".replace("-", "_")

    def _undelivered_action(
        self, log_group: aws_logs.ILogGroup
    ) -> aws_iot.CfnTopicRule.ActionProperty:
        """Return the error action that logs undelivered messages, with a new role.

        Source: AWS IoT Developer Guide, "CloudWatch Logs" rule action.
        """
        write = Statement(
            sid="WriteUndelivered",
            actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            resources=[log_group.log_group_arn],
            without_call="AWS IoT writes messages that a rule could not deliver",
        )
        role = aws_iam.Role(
            self,
            "UndeliveredRole",
            assumed_by=service_principal(
                "iot.amazonaws.com",
                account=self._aws_environment.account,
                source_arn=self._aws_environment.arn("iot", f"rule/{self._rule_name('*')}"),
            ),
            managed_policies=[managed_policy(self, "WriteUndelivered", [write])],
        )
        return aws_iot.CfnTopicRule.ActionProperty(
            cloudwatch_logs=aws_iot.CfnTopicRule.CloudwatchLogsActionProperty(
                log_group_name=log_group.log_group_name, role_arn=role.role_arn
            )
        )

    def _listen_to_deployments(self) -> aws_sqs.IQueue:
        """Create the rule for failed and rejected deployments; return its dead-letter queue.

        A device that was offline during the deployment installs the release later, when no handler
        waits for the device.
        """
        undelivered = UndeliveredEvents(self, "UndeliveredEvents")
        rule = aws_events.CfnRule(
            self,
            "FailedDeployments",
            description=f"DeepLens {self._environment}: deployments that failed on a device",
            event_pattern={
                "source": ["aws.greengrass"],
                "detail-type": ["Greengrass V2 Effective Deployment Status Change"],
                "detail": {"coreDeviceExecutionStatus": ["FAILED", "REJECTED"]},
            },
            targets=[
                aws_events.CfnRule.TargetProperty(
                    id="Metrics",
                    arn=self._function_arn,
                    dead_letter_config=aws_events.CfnRule.DeadLetterConfigProperty(
                        arn=undelivered.queue.queue_arn
                    ),
                )
            ],
        )
        undelivered.accept_from(rule.attr_arn)
        self._permit("EventsMayCall", "events.amazonaws.com", rule.attr_arn)
        return undelivered.queue

    def _permit(self, id_: str, service: str, source_arn: str) -> None:
        """Allow a rule of a service to call the function; the rule's ARN contains the account."""
        aws_lambda.CfnPermission(
            self,
            id_,
            action="lambda:InvokeFunction",
            function_name=self._function_arn,
            principal=service,
            source_arn=source_arn,
        )


def _thing(environment: EnvironmentConfig) -> str:
    """Return the SQL for the thing: its topic level, or the message's member `thing`.

    The device policy restricts the topic level.
    """
    levels = environment.inference.topic.split("/")
    return f"topic({levels.index('{thing}') + 1}) AS thing" if "{thing}" in levels else "thing"
