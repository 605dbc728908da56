"""CloudWatch in ministack: metrics extracted from log events, and periodic evaluation of alarms."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import asyncio
import time
from typing import Any

from ministack.services import cloudwatch, cloudwatch_logs

from local_aws.account_region import Scope
from local_aws.ministack_hooks.registration import within
from local_aws.services.cloudwatch.alarms import evaluate_alarm
from local_aws.services.cloudwatch.embedded_metrics import embedded_metrics

# The interval between two evaluations of alarms. AWS evaluates alarms once a minute. The shorter
# interval saves time in tests and demos.
_EVALUATE_SECONDS = 1.0


def extract_embedded_metrics() -> None:
    """Store the metrics that log events contain in the Embedded Metric Format."""
    append = cloudwatch_logs._append_log_events

    def append_and_extract(stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
        append(stream, events)
        for event in events:
            for datum in embedded_metrics(event["message"]):
                cloudwatch._store_datum(
                    datum.namespace, datum.name, datum.dimensions, datum.at, datum.unit, None,
                    datum.values, None, None,
                )  # fmt: skip

    cloudwatch_logs._append_log_events = append_and_extract


def evaluate_alarms_as_aws() -> None:
    """Replace ministack's evaluation of alarms with `services.cloudwatch.alarms`.

    ministack ignores dimensions and missing data, and evaluates only when data arrive.
    """
    cloudwatch._evaluate_alarm = _evaluate


async def watch_alarms() -> None:
    """Evaluate the alarms of all accounts periodically."""
    while True:
        await asyncio.sleep(_EVALUATE_SECONDS)
        for account, region in {key[:2] for key in list(cloudwatch._alarms._data)}:
            with within(Scope(account, region)):
                cloudwatch._evaluate_all_alarms()


def _evaluate(alarm: dict[str, Any]) -> None:
    evaluation = evaluate_alarm(alarm, _periods(alarm))
    if evaluation is None:
        return
    old = alarm["StateValue"]
    if evaluation.state != old:
        alarm["StateValue"], alarm["StateReason"] = evaluation
        alarm["StateUpdatedTimestamp"] = int(time.time())
        cloudwatch._record_history(alarm["AlarmName"], old, *evaluation)
        cloudwatch._dispatch_alarm_actions(alarm, old, *evaluation)
        cloudwatch._evaluate_parent_alarms(alarm)


def _periods(alarm: dict[str, Any]) -> list[float | None]:
    """Return the statistic of each evaluated period, newest first; None without data."""
    dimensions = cloudwatch._dims_from_list(alarm.get("Dimensions") or [])
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    points = cloudwatch._metrics.get(key) or []
    seconds, count, now = alarm["Period"], alarm["EvaluationPeriods"], time.time()
    grouped: list[list[dict[str, Any]]] = [[] for _ in range(count)]
    for point in points:
        age = int((now - point["Timestamp"]) // seconds)
        if 0 <= age < count:
            grouped[age].append(point)
    statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    return [
        cloudwatch._stat_value(cloudwatch._calc_stats(period), statistic, period)
        if period
        else None
        for period in grouped
    ]
