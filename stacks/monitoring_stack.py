"""Metrics, dashboard and alarms of the cameras."""

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from deeplens.config import EnvironmentConfig
from stacks.constructs.alarm_topic import AlarmTopic
from stacks.constructs.fleet_alarms import FleetAlarms
from stacks.constructs.fleet_dashboard import FleetDashboard
from stacks.constructs.fleet_metrics import FleetMetrics


class MonitoringStack(Stack):
    """A stack separate from the release, so that it monitors failed releases and rollbacks."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: EnvironmentConfig,
        least_free_disk_mib: int,
    ) -> None:
        super().__init__(
            scope, id_, description=f"DeepLens {environment.name}: metrics, logs and alarms"
        )
        metrics = FleetMetrics(self, "Metrics", environment=environment)
        alarms = AlarmTopic(
            self,
            "Alarms",
            aws_environment=environment.aws_environment,
            notify=environment.monitoring.notify,
        )
        self.alarm_topic = alarms.topic
        FleetAlarms(
            self,
            "Fleet",
            environment=environment,
            topic=alarms.topic,
            least_free_disk_mib=least_free_disk_mib,
            metrics_function=metrics.function,
            undelivered_events=metrics.undelivered_events,
        )
        FleetDashboard(self, "Page", environment=environment.name, log_group=metrics.log_group)

        CfnOutput(self, "AlarmTopicArn", value=alarms.topic.topic_arn)
        CfnOutput(self, "LogGroupName", value=metrics.log_group.log_group_name)
