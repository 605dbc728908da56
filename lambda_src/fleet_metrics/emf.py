"""CloudWatch's Embedded Metric Format.

Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format", and the API
reference of PutMetricData for what a dimension's value may be.
"""

import json
from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "DeepLens"

_LONGEST_DIMENSION = 255
# A log event may have 256 KiB in every Region; an IoT message 128 KiB.
_LONGEST_LINE_BYTES = 200_000

Metrics = dict[str, tuple[float, str]]


@dataclass(frozen=True)
class MetricsLine:
    """One log event: metrics by name with value and unit, and what they were made of."""

    at_ms: int
    metrics: Metrics
    said: dict[str, Any]
    # Each set of dimensions beside `Environment` that the metrics are kept for.
    dimensions: tuple[dict[str, str], ...] = field(default=({},))

    def render(self, environment: str) -> str:
        """Return the line's JSON; what was said is left out when it is too long for the log."""
        dimensions = [
            {"Environment": environment, **{name: value(text) for name, text in one.items()}}
            for one in self.dimensions
        ]
        document: dict[str, Any] = {
            "_aws": {
                "Timestamp": self.at_ms,
                "CloudWatchMetrics": [
                    {
                        "Namespace": NAMESPACE,
                        "Dimensions": [list(one) for one in dimensions],
                        "Metrics": [
                            {"Name": name, "Unit": unit} for name, (_, unit) in self.metrics.items()
                        ],
                    }
                ],
            },
            **{name: amount for name, (amount, _) in self.metrics.items()},
        }
        for one in dimensions:
            document |= one
        whole = json.dumps({**self.said, **document})
        return whole if len(whole) <= _LONGEST_LINE_BYTES else json.dumps(document)


def value(text: str) -> str:
    """Make a dimension's value of any text: ASCII, not empty, no colon in front, not too long."""
    ascii_only = text.encode("ascii", "backslashreplace").decode()
    printable = "".join(one if one.isprintable() else "?" for one in ascii_only)
    return (printable.strip().lstrip(":") or "?")[:_LONGEST_DIMENSION]
