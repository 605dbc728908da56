"""The state of an alarm, calculated from the newest periods of its metric.

Source: Amazon CloudWatch User Guide, "Evaluating an alarm" and "Configuring how CloudWatch alarms
treat missing data". Emulated: M of N periods, and the four treatments of missing data. Reasons
resemble AWS' reasons. Not emulated: AWS also evaluates a few earlier periods if data are missing.
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
_COMPARISON_TEXTS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}


class AlarmEvaluation(NamedTuple):
    """The state of an alarm, with a reason that resembles AWS' reason."""

    state: str
    reason: str


def evaluate_alarm(
    alarm: dict[str, Any], periods: Sequence[float | None]
) -> AlarmEvaluation | None:
    """Return the state of an alarm, or None if the alarm retains its current state.

    An alarm retains its state if ignored missing data could change the result, or if the comparison
    operator is not emulated.

    Args:
        alarm: the alarm in the form of DescribeAlarms.
        periods: the statistic in each of the alarm's `EvaluationPeriods`; None for a period without
            data.
    """
    breaks = _COMPARISONS.get(alarm["ComparisonOperator"])
    if breaks is None:
        return None
    needed = alarm.get("DatapointsToAlarm") or len(periods)
    available = [value for value in periods if value is not None]
    missing = len(periods) - len(available)
    breaching = sum(breaks(value, alarm["Threshold"]) for value in available)
    treatment = alarm.get("TreatMissingData") or "missing"
    if breaching + (missing if treatment == "breaching" else 0) >= needed:
        return AlarmEvaluation("ALARM", _reason(alarm, available, breaching, missing))
    if treatment == "missing" and not available:
        return AlarmEvaluation(
            "INSUFFICIENT_DATA",
            f"Insufficient Data: {missing} datapoints were unknown.",
        )
    if treatment == "ignore" and breaching + missing >= needed:
        return None
    return AlarmEvaluation("OK", _reason(alarm, available, len(available) - breaching, missing))


def _reason(alarm: dict[str, Any], available: list[float], counted: int, missing: int) -> str:
    if not available:
        treatment = alarm["TreatMissingData"]
        treated = "Breaching" if treatment == "breaching" else "NonBreaching"
        return (
            f"Threshold Crossed: no datapoints were received for {missing} periods and {missing} "
            f"missing datapoints were treated as [{treated}]."
        )
    values = ", ".join(f"{value:g}" for value in available)
    return (
        f"Threshold Crossed: {counted} datapoints of [{values}] decided: the alarm is for "
        f"{_COMPARISON_TEXTS[alarm['ComparisonOperator']]} the threshold ({alarm['Threshold']:g})."
    )
