"""IoT's rules for the rollout rate of jobs, which Greengrass' deployments use too.

Source: botocore's `iot` model, ``ExponentialRolloutRate``: the factor has one decimal and is at
least 1.1. That the base rate is below the maximum is assumed: AWS does not document it.
"""

from typing import Any

_SMALLEST_FACTOR = 1.1
_PRECISION = 1e-9


def rollout_fault(configuration: dict[str, Any]) -> str | None:
    """Return the error of a ``jobExecutionsRolloutConfig``, or None."""
    rate = configuration.get("exponentialRate") or {}
    factor, base = rate.get("incrementFactor"), rate.get("baseRatePerMinute")
    maximum = configuration.get("maximumPerMinute")
    if factor is not None and factor < _SMALLEST_FACTOR:
        return f"incrementFactor must be at least {_SMALLEST_FACTOR}; got {factor}."
    if factor is not None and abs(factor * 10 - round(factor * 10)) > _PRECISION:
        return f"incrementFactor supports one digit after the decimal, such as 1.5; got {factor}."
    if base is not None and maximum is not None and base > maximum:
        return f"baseRatePerMinute {base} is greater than maximumPerMinute {maximum}."
    return None
