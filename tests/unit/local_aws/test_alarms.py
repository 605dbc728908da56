"""The emulator's CloudWatch computes the states of alarms, and metrics from log events."""

import json
from typing import Any

import pytest

from local_aws.services.cloudwatch.alarms import evaluate_alarm
from local_aws.services.cloudwatch.embedded_metrics import embedded_metrics


def state(periods: list[float | None], treatment: str, needed: int | None = None) -> str | None:
    alarm = {
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 10.0,
        "DatapointsToAlarm": needed,
        "TreatMissingData": treatment,
    }
    evaluation = evaluate_alarm(alarm, periods)
    return evaluation.state if evaluation else None


@pytest.mark.parametrize(
    ("periods", "treatment", "needed", "expected"),
    [
        # Source: "3 of 3" in the table of AWS' user guide, for each treatment of missing data.
        ([0, None, 0, None, 0], "missing", None, "OK"),
        ([11, 11, 11], "missing", None, "ALARM"),
        ([None, None, None], "missing", None, "INSUFFICIENT_DATA"),
        ([None, None, None], "breaching", None, "ALARM"),
        ([None, None, None], "notBreaching", None, "OK"),
        ([None, None, None], "ignore", None, None),
        ([None, 11, 11], "breaching", None, "ALARM"),
        ([None, 0, 11], "breaching", None, "OK"),
        ([None, 11, 11], "notBreaching", None, "OK"),
        # M of N data points must exceed the threshold.
        ([11, 0, 11, 0, 11], "notBreaching", 3, "ALARM"),
        ([11, 0, 11, 0, 0], "notBreaching", 3, "OK"),
        ([11, None, 11, None, 0], "breaching", 3, "ALARM"),
        # A value equal to the threshold does not exceed the threshold.
        ([10], "missing", None, "OK"),
    ],
)
def test_an_alarm_is_judged_by_its_newest_periods(
    periods: list[float | None], treatment: str, needed: int | None, expected: str | None
) -> None:
    assert state(periods, treatment, needed) == expected


def test_the_reason_says_that_nothing_came() -> None:
    alarm = {
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": 1.0,
        "TreatMissingData": "breaching",
    }
    evaluation = evaluate_alarm(alarm, [None, None])
    assert evaluation is not None
    assert "no datapoints were received for 2 periods" in evaluation.reason


def line(**changes: Any) -> str:
    document = {
        "_aws": {
            "Timestamp": 1_763_700_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "N",
                    "Dimensions": [["A"], ["A", "B"]],
                    "Metrics": [{"Name": "M", "Unit": "Count"}],
                }
            ],
        },
        "A": "a",
        "B": "b",
        "M": 3,
    }
    return json.dumps(document | changes)


def test_a_line_is_a_metric_for_each_set_of_dimensions() -> None:
    first, second = embedded_metrics(line())
    assert (first.dimensions, first.values, first.unit) == ({"A": "a"}, [3.0], "Count")
    assert second.dimensions == {"A": "a", "B": "b"}
    assert second.at == 1_763_700_000.0


@pytest.mark.parametrize(
    "text",
    [
        "plain text",
        '{"_aws": 1}',
        '"_aws"',
        line(A=""),
        line(A="ü"),
        line(A=1),
        line(M="3"),
        line(M=True),
        line(M=[1] * 101),
    ],
)
def test_a_line_that_breaks_the_format_is_no_metric(text: str) -> None:
    assert embedded_metrics(text) == []
