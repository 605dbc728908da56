"""Alarms of an endpoint: server errors, model errors and latency."""

from collections.abc import Sequence

from aws_cdk import Duration, aws_cloudwatch, aws_sns
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

from deeplens.config import HostingConfig

_MINUTE = Duration.minutes(1)
_MICROSECONDS_PER_MS = 1000
# Datapoints to alarm, and evaluation periods. A single slow minute does not cause an alarm.
_BAD_MINUTES, _WATCHED_MINUTES = 3, 5


class EndpointAlarms(Construct):
    """Three alarms for each variant, which notify the topic.

    In instance mode, `ModelEndpoint` also rolls back an update if one of these alarms enters the
    ALARM state.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        endpoint_name: str,
        hosting: HostingConfig,
        topic: aws_sns.ITopic,
    ) -> None:
        super().__init__(scope, id_)
        self._endpoint_name = endpoint_name
        self._tell = actions.SnsAction(topic)
        self._alarms: list[aws_cloudwatch.Alarm] = []
        for variant in hosting.variants:
            name = variant.name
            self._above(
                f"ServerErrors-{name}",
                f"more than {hosting.error_share:.1%} of the requests to {name} end with 5xx",
                self._metric("Invocation5XXErrors", name, "Average"),
                hosting.error_share,
            )
            self._above(
                f"ModelErrors-{name}",
                f"more than {hosting.error_share:.1%} of the requests fail in the model of {name}",
                self._metric("InvocationModelErrors", name, "Average"),
                hosting.error_share,
            )
            self._above(
                f"Latency-{name}",
                f"95 of 100 requests take the model of {name} up to more than "
                f"{hosting.latency_p95_ms:g} ms",
                self._metric("ModelLatency", name, "p95"),
                hosting.latency_p95_ms * _MICROSECONDS_PER_MS,
            )

    @property
    def names(self) -> Sequence[str]:
        """The names of the alarms."""
        return [alarm.alarm_name for alarm in self._alarms]

    def _metric(self, name: str, variant: str, statistic: str) -> aws_cloudwatch.Metric:
        return aws_cloudwatch.Metric(
            namespace="AWS/SageMaker",
            metric_name=name,
            dimensions_map={"EndpointName": self._endpoint_name, "VariantName": variant},
            statistic=statistic,
            period=_MINUTE,
        )

    def _above(
        self, id_: str, description: str, metric: aws_cloudwatch.Metric, threshold: float
    ) -> None:
        alarm = aws_cloudwatch.Alarm(
            self,
            id_,
            alarm_description=f"Endpoint {self._endpoint_name}: {description}",
            metric=metric,
            threshold=threshold,
            comparison_operator=aws_cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            # Without requests, the metrics have no data.
            treat_missing_data=aws_cloudwatch.TreatMissingData.NOT_BREACHING,
            evaluation_periods=_WATCHED_MINUTES,
            datapoints_to_alarm=_BAD_MINUTES,
        )
        alarm.add_alarm_action(self._tell)
        alarm.add_ok_action(self._tell)
        self._alarms.append(alarm)
