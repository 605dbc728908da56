"""Log events in CloudWatch's Embedded Metric Format.

Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format", and the API
reference of PutMetricData for the values of dimensions.
"""

import json
from dataclasses import dataclass, field
from typing import Any

NAMESPACE = "DeepLens"

_LONGEST_DIMENSION = 255
# The maximum size of a line. Every Region limits a log event to 256 KiB; an IoT message has at most
# 128 KiB.
_LONGEST_LINE_BYTES = 200_000

Metrics = dict[str, tuple[float, str]]


@dataclass(frozen=True)
class MetricsLine:
    """A log event: metrics (value and unit by name), and details of the event that they describe.

    `at_ms` is the time of the metrics, as Unix time in milliseconds.
    """

    at_ms: int
    metrics: Metrics
    details: dict[str, Any]
    # Sets of dimensions by which the metrics are stored; each set also contains `Environment`.
    dimensions: tuple[dict[str, str], ...] = field(default=({},))

    def render(self, environment: str) -> str:
        """Return the line as JSON; omit the details if the line is too long for the log."""
        dimensions = [
            {
                "Environment": environment,
                **{name: value(text) for name, text in dimension_set.items()},
            }
            for dimension_set in self.dimensions
        ]
        document: dict[str, Any] = {
            "_aws": {
                "Timestamp": self.at_ms,
                "CloudWatchMetrics": [
                    {
                        "Namespace": NAMESPACE,
                        "Dimensions": [list(dimension_set) for dimension_set in dimensions],
                        "Metrics": [
                            {"Name": name, "Unit": unit} for name, (_, unit) in self.metrics.items()
                        ],
                    }
                ],
            },
            **{name: amount for name, (amount, _) in self.metrics.items()},
        }
        for dimension_set in dimensions:
            document |= dimension_set
        line = json.dumps({**self.details, **document})
        return line if len(line) <= _LONGEST_LINE_BYTES else json.dumps(document)


def value(text: str) -> str:
    """Convert a string to a dimension value: 1 to 255 printable ASCII characters.

    Other characters are escaped or replaced by `?`. Leading colons, which CloudWatch rejects, are
    removed.
    """
    ascii_only = text.encode("ascii", "backslashreplace").decode()
    printable = "".join(character if character.isprintable() else "?" for character in ascii_only)
    return (printable.strip().lstrip(":") or "?")[:_LONGEST_DIMENSION]
