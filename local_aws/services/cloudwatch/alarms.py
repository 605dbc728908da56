"""What an alarm's state is, from the newest periods of its metric.

Source: Amazon CloudWatch User Guide, "Evaluating an alarm" and "Configuring how CloudWatch alarms
treat missing data". Modelled: M of N periods, the four treatments of missing data, AWS' reasons.
Not modelled: that AWS looks a few periods further back when data are missing.
"""

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

_COMPARISONS = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


class Judgement(NamedTuple):
    """A state, and AWS' sentence about why."""

    state: str
    reason: str


def judge(alarm: dict[str, Any], periods: Sequence[float | None]) -> Judgement | None:
    """Say what state the alarm has now, or None where it stays what it was.

    Args:
        alarm: as DescribeAlarms gives it.
        periods: its statistic in each of its `EvaluationPeriods`, None where there was no data.
    """
    breaks = _COMPARISONS.get(alarm["ComparisonOperator"])
    if breaks is None:
        return None
    needed = alarm.get("DatapointsToAlarm") or len(periods)
    there = [value for value in periods if value is not None]
    missing = len(periods) - len(there)
    breaching = sum(breaks(value, alarm["Threshold"]) for value in there)
    treatment = alarm.get("TreatMissingData") or "missing"
    if breaching + (missing if treatment == "breaching" else 0) >= needed:
        return Judgement("ALARM", _reason(alarm, there, breaching, missing))
    if treatment == "missing" and not there:
        return Judgement(
            "INSUFFICIENT_DATA",
            f"Insufficient Data: {missing} datapoints were unknown.",
        )
    if treatment == "ignore" and breaching + missing >= needed:
        return None
    return Judgement("OK", _reason(alarm, there, len(there) - breaching, missing))


def _reason(alarm: dict[str, Any], there: list[float], counted: int, missing: int) -> str:
    if not there:
        treatment = alarm["TreatMissingData"]
        treated = "Breaching" if treatment == "breaching" else "NonBreaching"
        return (
            f"Threshold Crossed: no datapoints were received for {missing} periods and {missing} "
            f"missing datapoints were treated as [{treated}]."
        )
    values = ", ".join(f"{value:g}" for value in there)
    return (
        f"Threshold Crossed: {counted} datapoints of [{values}] decided: the alarm is for "
        f"{_WORDS[alarm['ComparisonOperator']]} the threshold ({alarm['Threshold']:g})."
    )
