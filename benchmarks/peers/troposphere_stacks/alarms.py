"""Alarms about silence, slowness, failures, full disks and a failed deployment."""

from typing import Any

from troposphere import GetAtt, Ref, cloudwatch

from benchmarks.peers.troposphere_stacks.environment import Environment
from benchmarks.peers.troposphere_stacks.stack import Stack

_ABOVE = {"ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching"}
_WATCHED = {**_ABOVE, "EvaluationPeriods": 5, "DatapointsToAlarm": 3}
_ONCE = {**_ABOVE, "EvaluationPeriods": 1, "DatapointsToAlarm": 1, "Threshold": 0}


def add_alarms(stack: Stack, topic: Any, metrics_function: Any, undelivered: Any) -> None:
    """Add every alarm; each tells the topic when it begins and when it is over."""
    environment = stack.environment

    def alarm(title: str, description: str, metric: dict[str, Any], **properties: Any) -> None:
        stack.add(
            cloudwatch.Alarm(
                title,
                AlarmDescription=f"DeepLens {environment.name}: {description}",
                AlarmActions=[Ref(topic)],
                OKActions=[Ref(topic)],
                Period=60,
                **metric,
                **properties,
            )
        )

    settings = environment.monitoring
    minutes = settings["no_heartbeat_minutes"]
    silence = {
        "Threshold": 1,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "breaching",
        "EvaluationPeriods": minutes,
        "DatapointsToAlarm": minutes,
    }
    alarm(
        "FleetNoHeartbeat",
        f"no camera of the fleet sent a heartbeat for {minutes} min",
        _metric(environment, "Heartbeats", "Sum"),
        **silence,
    )
    for thing in environment.fleet["things"]:
        alarm(
            f"FleetNoHeartbeat{''.join(filter(str.isalnum, thing))}",
            f"camera {thing} sent no heartbeat for {minutes} min",
            _metric(environment, "Heartbeats", "Sum", Thing=thing),
            **silence,
        )
    alarm(
        "FleetLatency",
        f"95 of 100 frames of some camera took up to more than {settings['latency_p95_ms']:g} ms",
        _metric(environment, "LatencyP95", "Maximum"),
        Threshold=settings["latency_p95_ms"],
        **_WATCHED,
    )
    alarm(
        "FleetFailing",
        f"more than {settings['failing_share']:.0%} of the heartbeats say failing",
        _metric(environment, "Failing", "Average"),
        Threshold=settings["failing_share"],
        **_WATCHED,
    )
    alarm(
        "FleetSpoolFill",
        f"some camera's spool is more than {settings['spool_fill_share']:.0%} full",
        _metric(environment, "SpoolFill", "Maximum"),
        Threshold=settings["spool_fill_share"],
        **_WATCHED,
    )
    alarm(
        "FleetDiskFree",
        f"some camera has less than {settings['free_disk_mib']} MiB of free disk: the download of "
        "the next release can fail",
        _metric(environment, "DiskFree", "Minimum"),
        Threshold=settings["free_disk_mib"] * 1024 * 1024,
        **_WATCHED | {"ComparisonOperator": "LessThanThreshold"},
    )
    alarm(
        "FleetFailedDeployment",
        "a deployment failed on some camera",
        _metric(environment, "FailedDeployments", "Sum"),
        **_ONCE,
    )
    alarm(
        "FleetUnverifiedRollback",
        "a rollback is deployed, and devices do not run it; the project's status, its log and "
        "`deeplens fleet releases` name them",
        _metric(environment, "UnverifiedRollbacks", "Sum"),
        **_ONCE,
    )
    alarm(
        "FleetMetricsFunction",
        "what cameras say is not counted: the function behind the metrics fails",
        {
            "Namespace": "AWS/Lambda",
            "MetricName": "Errors",
            "Statistic": "Sum",
            "Dimensions": [
                cloudwatch.MetricDimension(Name="FunctionName", Value=Ref(metrics_function))
            ],
        },
        **_ONCE,
    )
    alarm(
        "FleetUndeliveredEvents",
        "EventBridge could not deliver a failed deployment: its dead-letter queue has messages",
        {
            "Namespace": "AWS/SQS",
            "MetricName": "ApproximateNumberOfMessagesVisible",
            "Statistic": "Maximum",
            "Dimensions": [
                cloudwatch.MetricDimension(Name="QueueName", Value=GetAtt(undelivered, "QueueName"))
            ],
        },
        **_ONCE,
    )


def _metric(
    environment: Environment, name: str, statistic: str, **dimensions: str
) -> dict[str, Any]:
    return {
        "Namespace": "DeepLens",
        "MetricName": name,
        "Statistic": statistic,
        "Dimensions": [
            cloudwatch.MetricDimension(Name=dimension, Value=value)
            for dimension, value in {"Environment": environment.name, **dimensions}.items()
        ],
    }
