"""The CloudWatch dashboard of the fleet."""

from aws_cdk import Duration, aws_cloudwatch, aws_logs
from constructs import Construct

from stacks.constructs.fleet_metrics import NAMESPACE

_PERIOD_SECONDS = 60
_PERIOD = Duration.seconds(_PERIOD_SECONDS)
_SHOWN = Duration.hours(3)
_HALF, _WHOLE = 12, 24


class FleetDashboard(Construct):
    """A dashboard of frames, latency, detections, devices, releases, errors, storage and memory."""

    def __init__(
        self, scope: Construct, id_: str, *, environment: str, log_group: aws_logs.ILogGroup
    ) -> None:
        super().__init__(scope, id_)
        self._environment = environment
        self._log_group_name = log_group.log_group_name
        dashboard = aws_cloudwatch.Dashboard(self, "Dashboard", default_interval=_SHOWN)
        dashboard.add_widgets(
            self._by_thing("Frames per second", "FramesPerSecond", "Average"),
            self._graph(
                "Latency, frame to decision (ms): median and worst camera's p95",
                self._metric("LatencyP50", "Average", "p50, average of the cameras"),
                self._metric("LatencyP95", "Maximum", "p95, slowest camera"),
            ),
        )
        dashboard.add_widgets(
            self._search("Detections per label", "Environment,Label", "Detections", "Sum"),
            self._logs(
                "Devices reporting",
                aws_cloudwatch.LogQueryVisualizationType.LINE,
                "filter kind = 'heartbeat'",
                "stats count_distinct(thing) as devices by bin(5m)",
            ),
        )
        dashboard.add_widgets(
            self._logs(
                "Model on each device",
                aws_cloudwatch.LogQueryVisualizationType.TABLE,
                "filter kind = 'heartbeat'",
                "stats latest(heartbeat.model.name) as model, latest(heartbeat.model.version) as "
                "version, latest(heartbeat.model.digest) as digest, latest(heartbeat.status) as "
                "status, latest(@timestamp) as last by thing",
                width=_WHOLE,
            ),
        )
        dashboard.add_widgets(
            self._graph(
                "Errors, dropped and unreadable messages, failed deployments",
                self._metric("Errors", "Sum", "errors"),
                self._metric("DroppedMessages", "Sum", "dropped messages"),
                self._metric("UnreadableMessages", "Sum", "unreadable messages"),
                self._metric("FailedDeployments", "Sum", "failed deployments"),
            ),
            self._by_thing("Spool fill (share of 1)", "SpoolFill", "Maximum"),
        )
        dashboard.add_widgets(
            self._by_thing("Free disk (bytes)", "DiskFree", "Minimum"),
            self._by_thing("Available memory (bytes)", "MemoryAvailable", "Minimum"),
        )
        dashboard.add_widgets(
            self._logs(
                "Newest errors",
                aws_cloudwatch.LogQueryVisualizationType.TABLE,
                "filter kind in ['error', 'dropped', 'unreadable', 'failed-deployment']",
                "fields @timestamp, thing, kind, coalesce(error.message, dropped.reason, reason) "
                "as why",
                "sort @timestamp desc",
                "limit 20",
                width=_WHOLE,
            ),
        )

    def _metric(self, name: str, statistic: str, label: str) -> aws_cloudwatch.Metric:
        return aws_cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=name,
            dimensions_map={"Environment": self._environment},
            statistic=statistic,
            period=_PERIOD,
            label=label,
        )

    def _graph(self, title: str, *metrics: aws_cloudwatch.IMetric) -> aws_cloudwatch.GraphWidget:
        return aws_cloudwatch.GraphWidget(title=title, left=list(metrics), width=_HALF)

    def _by_thing(self, title: str, name: str, statistic: str) -> aws_cloudwatch.GraphWidget:
        return self._search(title, "Environment,Thing", name, statistic)

    def _search(
        self, title: str, dimensions: str, name: str, statistic: str
    ) -> aws_cloudwatch.GraphWidget:
        """Return a graph with a line for each thing or label, including future ones."""
        search = (
            f'{{{NAMESPACE},{dimensions}}} MetricName="{name}" Environment="{self._environment}"'
        )
        expression = aws_cloudwatch.MathExpression(
            expression=f"SEARCH('{search}', '{statistic}', {_PERIOD_SECONDS})",
            label="",
            using_metrics={},
            period=_PERIOD,
        )
        return self._graph(title, expression)

    def _logs(
        self,
        title: str,
        view: aws_cloudwatch.LogQueryVisualizationType,
        *query: str,
        width: int = _HALF,
    ) -> aws_cloudwatch.LogQueryWidget:
        return aws_cloudwatch.LogQueryWidget(
            title=title,
            log_group_names=[self._log_group_name],
            query_lines=list(query),
            view=view,
            width=width,
        )
