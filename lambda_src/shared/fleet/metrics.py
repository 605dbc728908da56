"""Metrics of rollbacks, in CloudWatch's Embedded Metric Format.

Alarms of the Monitoring stack use these metrics. Source: Amazon CloudWatch User Guide,
"Specification: Embedded metric format".
"""

import json
import time

NAMESPACE = "DeepLens"


def count_unverified_rollback(environment: str, status: str) -> None:
    """Write the metric `UnverifiedRollbacks` for one rollback to the log.

    Args:
        environment: the name of the environment, a dimension of the metric.
        status: a sentence with the reason.
    """
    metric = {
        "Namespace": NAMESPACE,
        "Dimensions": [["Environment"]],
        "Metrics": [{"Name": "UnverifiedRollbacks", "Unit": "Count"}],
    }
    line = {
        "_aws": {"Timestamp": round(time.time() * 1000), "CloudWatchMetrics": [metric]},
        "UnverifiedRollbacks": 1,
        "Environment": environment,
        "kind": "unverified-rollback",
        "status": status,
    }
    print(json.dumps(line), flush=True)  # noqa: T201 - stdout is the log
