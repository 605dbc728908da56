"""CloudWatch's rules for alarms.

Source: the documentation of ``PutMetricAlarm`` in botocore's model.
"""

from typing import Any

from local_aws.errors import ServiceError
from local_aws.input_validation.rules.account import Account

_HOUR_SECONDS, _DAY_SECONDS, _WEEK_SECONDS = 3_600, 86_400, 604_800
_SHORT_PERIODS_SECONDS = (10, 20, 30)
_MINUTE_SECONDS = 60


def check_evaluation_time(_account: Account, params: dict[str, Any]) -> None:
    """Reject an alarm with an unsupported period, or with periods that are too long in total.

    Raises:
        ServiceError: ``ValidationError``.
    """
    period, count = params.get("Period"), params.get("EvaluationPeriods", 1)
    if period is None:
        return
    if period not in _SHORT_PERIODS_SECONDS and (period <= 0 or period % _MINUTE_SECONDS):
        raise ServiceError("ValidationError", "Period must be 10, 20, 30 or a multiple of 60")
    if period < _HOUR_SECONDS:
        longest, unit, comparison = _DAY_SECONDS, "day", "<"
    else:
        longest, unit, comparison = _WEEK_SECONDS, "week", ">="
    if period * count > longest:
        raise ServiceError(
            "ValidationError",
            f"Metrics cannot be checked across more than a {unit} (EvaluationPeriods * Period must"
            f" be <= {longest}) for alarms using period {comparison} {_HOUR_SECONDS}",
        )
