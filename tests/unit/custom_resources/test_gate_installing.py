"""The gate waits for a generic camera that installs its runtime, and reports the reason."""

import pytest

from shared.fleet.gate import GateRule, evaluate_gate
from testkit.gate_streams import (
    CREATED,
    FUNCTION,
    LATE,
    NOW,
    TARGET,
    execution,
    heartbeat,
)

RULE = GateRule(success_percent=100.0, error_percent=0.0, minimum_devices=1)
DONE = execution("cam", "SUCCEEDED", CREATED + 9)


@pytest.mark.parametrize(("now", "state"), [(NOW, "pending"), (LATE, "failed")])
def test_an_installation_is_waited_for_until_the_deadline(now: float, state: str) -> None:
    installing = heartbeat(
        "cam", now - 1, 20, status="installing", model_digest=None, function_arn=FUNCTION, frames=0
    )
    result = evaluate_gate(TARGET, RULE, ["cam"], [DONE, installing], now)
    assert result.state == state
    [device] = result.devices
    assert device.outcome == "waiting"
    assert device.reason == "finished the deployment, but is installing its Python environment"


def test_the_first_frame_after_the_installation_passes() -> None:
    running = heartbeat("cam", NOW - 1, 21)
    assert evaluate_gate(TARGET, RULE, ["cam"], [DONE, running], NOW).state == "passed"
