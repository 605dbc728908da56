"""Metrics that log events contain in the Embedded Metric Format.

Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format". A log event that
violates the format defines no metrics.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local_aws import json_text

_MOST_DIMENSIONS = 30
_MOST_VALUES = 100


@dataclass(frozen=True)
class Datum:
    """Values of a metric for one set of dimensions and one time (Unix seconds)."""

    namespace: str
    name: str
    unit: str
    dimensions: dict[str, str]
    values: list[float]
    at: float


def embedded_metrics(message: str) -> list[Datum]:
    """Return the metrics that a log event defines; empty if the event violates the format."""
    if '"_aws"' not in message:
        return []
    try:
        document = json_text.parse(message)
        return list(_metrics(document))
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _metrics(document: dict[str, Any]) -> Iterator[Datum]:
    at = float(document["_aws"]["Timestamp"]) / 1000
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for names in directive["Dimensions"]:
            if len(names) > _MOST_DIMENSIONS:
                raise ValueError(f"{len(names)} dimensions")
            dimensions = {name: _dimension(document[name]) for name in names}
            for metric in directive["Metrics"]:
                yield Datum(
                    directive["Namespace"],
                    metric["Name"],
                    metric.get("Unit", "None"),
                    dimensions,
                    _values(document[metric["Name"]]),
                    at,
                )


def _dimension(value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or not value.isascii():
        raise ValueError(f"{value!r} is not a value of a dimension")
    return value


def _values(value: Any) -> list[float]:
    values = value if isinstance(value, list) else [value]
    if len(values) > _MOST_VALUES or any(
        isinstance(number, bool) or not isinstance(number, int | float) for number in values
    ):
        raise ValueError(f"{value!r} is not a value of a metric")
    return [float(number) for number in values]
