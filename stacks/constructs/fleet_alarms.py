"""The alarms of a fleet: heartbeats, latency, failures, storage, deployments and lost metrics."""

from collections.abc import Mapping

from aws_cdk import Duration, aws_cloudwatch, aws_lambda, aws_sns, aws_sqs
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

from deeplens.config import EnvironmentConfig
from stacks.constructs.fleet_metrics import NAMESPACE

_MINUTE = Duration.minutes(1)
_MIB = 1 << 20
_MISSING = aws_cloudwatch.TreatMissingData
_ABOVE = aws_cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD
_BELOW = aws_cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD

# Datapoints to alarm, and evaluation periods. A single slow minute does not cause an alarm.
_BAD_MINUTES, _WATCHED_MINUTES = 3, 5


class FleetAlarms(Construct):
    """The alarms of a fleet; each alarm notifies the topic when its state becomes ALARM or OK."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: EnvironmentConfig,
        topic: aws_sns.ITopic,
        least_free_disk_mib: int,
        metrics_function: aws_lambda.IFunction,
        undelivered_events: aws_sqs.IQueue,
    ) -> None:
        super().__init__(scope, id_)
        self._environment = environment.name
        self._tell = actions.SnsAction(topic)
        settings = environment.monitoring
        minutes = settings.no_heartbeat_minutes

        self._silence(
            "NoHeartbeat", f"no camera of the fleet sent a heartbeat for {minutes} min", {}, minutes
        )
        for thing in environment.fleet.things:
            self._silence(
                f"NoHeartbeat-{thing}",
                f"camera {thing} sent no heartbeat for {minutes} min",
                {"Thing": thing},
                minutes,
            )
        self._above(
            "Latency",
            f"95 of 100 frames of some camera took up to more than {settings.latency_p95_ms:g} ms",
            self._metric("LatencyP95", "Maximum"),
            settings.latency_p95_ms,
        )
        self._above(
            "Failing",
            f"more than {settings.failing_share:.0%} of the heartbeats report a failing camera",
            self._metric("Failing", "Average"),
            settings.failing_share,
        )
        self._above(
            "SpoolFill",
            f"some camera's spool is more than {settings.spool_fill_share:.0%} full",
            self._metric("SpoolFill", "Maximum"),
            settings.spool_fill_share,
        )
        self._below(
            "DiskFree",
            f"some camera has less than {least_free_disk_mib} MiB of free disk: the download of "
            "the next release can fail",
            self._metric("DiskFree", "Minimum"),
            least_free_disk_mib * _MIB,
        )
        self._once(
            "FailedDeployment",
            "a deployment failed on some camera",
            self._metric("FailedDeployments", "Sum"),
        )
        self._once(
            "UnverifiedRollback",
            "a rollback is deployed, and devices do not run it; the project's status, its log and "
            "`deeplens fleet releases` name them",
            self._metric("UnverifiedRollbacks", "Sum"),
        )
        self._once(
            "MetricsFunction",
            "messages of cameras are not counted: the function that writes the metrics fails",
            metrics_function.metric_errors(period=_MINUTE, statistic="Sum"),
        )
        self._once(
            "UndeliveredEvents",
            "EventBridge could not deliver a failed deployment: its dead-letter queue has messages",
            undelivered_events.metric_approximate_number_of_messages_visible(
                period=_MINUTE, statistic="Maximum"
            ),
        )

    def _metric(
        self, name: str, statistic: str, dimensions: Mapping[str, str] | None = None
    ) -> aws_cloudwatch.Metric:
        return aws_cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={"Environment": self._environment, **(dimensions or {})},
            statistic=statistic,
            period=_MINUTE,
        )

    def _silence(
        self, id_: str, description: str, dimensions: Mapping[str, str], minutes: int
    ) -> None:
        """Create an alarm for `minutes` without heartbeats; missing data is breaching."""
        self._alarm(
            id_,
            description,
            self._metric("Heartbeats", "Sum", dimensions),
            threshold=1,
            comparison=_BELOW,
            missing=_MISSING.BREACHING,
            periods=minutes,
            bad_periods=minutes,
        )

    def _above(
        self, id_: str, description: str, metric: aws_cloudwatch.Metric, threshold: float
    ) -> None:
        self._alarm(
            id_,
            description,
            metric,
            threshold=threshold,
            comparison=_ABOVE,
            missing=_MISSING.NOT_BREACHING,
            periods=_WATCHED_MINUTES,
            bad_periods=_BAD_MINUTES,
        )

    def _below(
        self, id_: str, description: str, metric: aws_cloudwatch.Metric, threshold: float
    ) -> None:
        self._alarm(
            id_,
            description,
            metric,
            threshold=threshold,
            comparison=_BELOW,
            missing=_MISSING.NOT_BREACHING,
            periods=_WATCHED_MINUTES,
            bad_periods=_BAD_MINUTES,
        )

    def _once(self, id_: str, description: str, metric: aws_cloudwatch.Metric) -> None:
        self._alarm(
            id_,
            description,
            metric,
            threshold=0,
            comparison=_ABOVE,
            missing=_MISSING.NOT_BREACHING,
            periods=1,
            bad_periods=1,
        )

    def _alarm(
        self,
        id_: str,
        description: str,
        metric: aws_cloudwatch.Metric,
        *,
        threshold: float,
        comparison: aws_cloudwatch.ComparisonOperator,
        missing: aws_cloudwatch.TreatMissingData,
        periods: int,
        bad_periods: int,
    ) -> None:
        alarm = aws_cloudwatch.Alarm(
            self,
            id_,
            alarm_description=f"DeepLens {self._environment}: {description}",
            metric=metric,
            threshold=threshold,
            comparison_operator=comparison,
            treat_missing_data=missing,
            evaluation_periods=periods,
            datapoints_to_alarm=bad_periods,
        )
        alarm.add_alarm_action(self._tell)
        alarm.add_ok_action(self._tell)
