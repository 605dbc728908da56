"""A failed deployment on a device has a reason, possibly another attempt, and a log location."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.fleet.device_state import (
    LITE,
    InstalledComponent,
    Observation,
    Registered,
)
from shared.fleet.explanation import suggest, summarize
from shared.fleet.failures import TRANSIENT_CODES
from shared.fleet.gate import (
    DeviceResult,
    GateResult,
    GateRule,
    RolloutTarget,
    evaluate_gate,
)
from testkit.gate_streams import (
    CREATED,
    FUNCTION,
    NEW,
    NOW,
    TARGET,
    execution,
    heartbeat,
)
from testkit.heartbeats import with_changes

CLASSIC = "aws_nucleus_classic"
STACK = ("DEPLOYMENT_FAILURE", "ARTIFACT_DOWNLOAD_ERROR")
TARGET_WITH_RETRY = replace(TARGET, components=frozenset({("app", "2")}), may_retry=True)
# A time between the middle of the wait and its end.
LATER = CREATED + 200.0

final_codes = st.sampled_from(
    [
        "ARTIFACT_CHECKSUM_MISMATCH",
        "COMPONENT_UPDATE_ERROR",
        "DISK_SPACE_CRITICAL",
        "NO_AVAILABLE_COMPONENT_VERSION",
        "S3_GET_OBJECT_ACCESS_DENIED",
    ]
)


def result(
    *observations: Observation, target: RolloutTarget = TARGET_WITH_RETRY, now: float = NOW
) -> GateResult:
    return evaluate_gate(
        target, GateRule(), sorted({item.thing for item in observations}), observations, now
    )


def device(
    *observations: Observation, target: RolloutTarget = TARGET_WITH_RETRY, now: float = NOW
) -> DeviceResult:
    [observed] = result(*observations, target=target, now=now).devices
    return observed


def failed(thing: str = "cam", code: str = "NETWORK_ERROR", at: float = NOW - 20) -> Observation:
    return execution(thing, "FAILED", at, reason="why", error_stack=(*STACK, code))


def failed_lite(thing: str = "cam", at: float = NOW - 20) -> tuple[Observation, Observation]:
    reason = "FAILED_ROLLBACK_NOT_REQUESTED"
    return Registered(thing, LITE), execution(thing, "FAILED", at, reason=reason)


@given(st.sampled_from(sorted(TRANSIENT_CODES)))
def test_the_most_specific_code_allows_a_second_attempt(code: str) -> None:
    observations = failed(code=code)
    assert result(observations).state == "retry"
    assert device(observations).is_retryable
    assert result(observations, target=TARGET).state == "failed"


@given(final_codes)
def test_a_failure_for_another_reason_is_final(code: str) -> None:
    assert result(failed(code=code)).state == "failed"


@pytest.mark.parametrize("status", ["REJECTED", "TIMED_OUT", "CANCELED"])
def test_only_a_failure_gets_a_second_attempt(status: str) -> None:
    observations = execution("cam", status, NOW, error_stack=(*STACK, "NETWORK_ERROR"))
    assert result(observations).state == "failed"


def test_at_the_deadline_there_is_no_second_attempt() -> None:
    assert result(failed(), now=TARGET.deadline).state == "failed"


def test_devices_that_carry_the_deployment_out_come_first_until_half_of_the_time() -> None:
    observations = (failed("cam-1"), execution("cam-2", "IN_PROGRESS", CREATED + 2))
    assert result(*observations).state == "pending"
    assert result(*observations, now=LATER).state == "retry"


def test_a_component_that_fails_elsewhere_ends_the_release_at_once() -> None:
    assert result(failed("cam-1"), failed("cam-2", "COMPONENT_UPDATE_ERROR")).state == "failed"


def test_a_failure_within_the_rule_keeps_no_other_device_from_a_second_attempt() -> None:
    observations = [failed("cam-1"), failed("cam-2", "COMPONENT_UPDATE_ERROR")]
    rule = GateRule(success_percent=50, error_percent=50)
    assert (
        evaluate_gate(TARGET_WITH_RETRY, rule, ["cam-1", "cam-2"], observations, NOW).state
        == "retry"
    )


def test_a_failure_is_explained_before_it_counts() -> None:
    """A failure counts only after its reason has arrived, or after a short time.

    A job's status can arrive before the reports with the reason.
    """
    bare = execution("cam", "FAILED", NOW - 1)
    assert device(bare).outcome == "waiting"
    assert not device(bare).is_retryable
    assert device(bare, target=TARGET).outcome == "failed"
    later = device(bare, now=NOW + 5)
    assert (later.outcome, later.reason) == ("failed", "deployment FAILED: no reason given")
    explained = failed(code="COMPONENT_UPDATE_ERROR", at=NOW - 1)
    assert device(bare, explained).outcome == "failed"


def test_lite_gets_a_second_attempt_unless_a_component_of_the_deployment_is_broken() -> None:
    observations = failed_lite()
    assert result(*observations).state == "retry"
    broken = InstalledComponent("cam", "app", "2", "BROKEN", NOW - 21)
    failed_device = device(*observations, broken)
    assert (failed_device.outcome, failed_device.component) == ("failed", "app")
    assert failed_device.reason == (
        "deployment FAILED: FAILED_ROLLBACK_NOT_REQUESTED; nucleus lite reports no cause; "
        "app 2 is BROKEN"
    )


def test_a_component_that_was_broken_before_is_no_reason() -> None:
    broken = InstalledComponent("cam", "app", "1", "BROKEN", NOW)
    assert result(*failed_lite(), broken).state == "retry"


def test_without_a_cause_the_camera_is_asked() -> None:
    beat = heartbeat("cam", NOW - 1, 9, status="failing", last_error="no camera at /dev/video0")
    reason = device(*failed_lite(), beat).reason
    assert "no component of it is broken" in reason
    assert reason.endswith("the camera is failing, last error: no camera at /dev/video0")
    full = with_changes(beat, disk_free_bytes=12 << 20)
    assert "; 12 MiB of disk were free; the camera" in device(*failed_lite(), full).reason
    earlier = with_changes(beat, received_at=CREATED - 1)
    assert "last error" not in device(*failed_lite(), earlier).reason


def test_the_same_failure_on_classic_without_any_detail_is_final() -> None:
    assert result(Registered("cam", CLASSIC), failed_lite()[1]).state == "failed"


def streams(thing: str, kind: str) -> list[Observation]:
    """Return the observations of a device of this kind, all of which must arrive."""
    match kind:
        case "good":
            done = execution(thing, "SUCCEEDED", CREATED + 9)
            beat = heartbeat(thing, NOW - 1, 3, model_digest=NEW, function_arn=FUNCTION)
            return [Registered(thing, CLASSIC), done, beat]
        case "lost":
            return [Registered(thing, CLASSIC), failed(thing)]
        case "lite":
            return list(failed_lite(thing))
        case "broken lite":
            return [*failed_lite(thing), InstalledComponent(thing, "app", "2", "BROKEN", NOW - 21)]
        case _:
            return [Registered(thing, CLASSIC), failed(thing, "COMPONENT_UPDATE_ERROR")]


kinds = st.lists(
    st.sampled_from(["good", "lost", "lite", "broken lite", "broken"]), min_size=1, max_size=8
)


@given(kinds, st.randoms(use_true_random=False))
def test_repeated_and_reordered_reports_change_no_second_attempt(
    fleet: list[str], random_: random.Random
) -> None:
    things = [f"cam-{number}" for number in range(len(fleet))]
    observations = [
        item for thing, kind in zip(things, fleet, strict=True) for item in streams(thing, kind)
    ]
    in_order = evaluate_gate(TARGET_WITH_RETRY, GateRule(), things, observations, NOW)
    shuffled = observations + random_.choices(observations, k=len(observations))
    random_.shuffle(shuffled)
    assert evaluate_gate(TARGET_WITH_RETRY, GateRule(), things, shuffled, NOW) == in_order
    if {"broken", "broken lite"} & set(fleet):
        assert in_order.state == "failed"
    else:
        assert in_order.state == ("retry" if {"lost", "lite"} & set(fleet) else "passed")
    second = evaluate_gate(
        replace(TARGET_WITH_RETRY, may_retry=False), GateRule(), things, shuffled, NOW
    )
    assert second.state == ("passed" if set(fleet) == {"good"} else "failed")


@pytest.mark.parametrize(
    ("runtime", "log"),
    [
        (CLASSIC, "/greengrass/v2/logs/app.log"),
        ("", "/greengrass/v2/logs/app.log"),
        (LITE, "`journalctl -a -t app`"),
    ],
)
def test_the_log_of_a_broken_component_is_where_its_nucleus_writes_it(
    runtime: str, log: str
) -> None:
    done = execution("cam", "SUCCEEDED", CREATED + 9)
    broken = InstalledComponent("cam", "app", "2", "BROKEN", NOW - 5, "Segmentation fault")
    failed_verdict = result(Registered("cam", runtime), done, broken)
    assert suggest(failed_verdict) == f"Try: read {log} on the device"


def test_the_log_of_a_deployment_without_a_broken_component_is_that_of_the_nucleus() -> None:
    failed_verdict = result(*failed_lite(), target=TARGET)
    assert "`journalctl -a -t ggdeploymentd`" in suggest(failed_verdict)
    assert "nucleus lite does not roll back" in summarize(failed_verdict)


def test_a_camera_without_frames_has_a_log_on_either_nucleus() -> None:
    done = execution("cam", "SUCCEEDED", CREATED + 9)
    silent = heartbeat("cam", NOW - 1, 3, frames=0)
    on_lite = result(Registered("cam", LITE), done, silent, now=TARGET.deadline)
    assert suggest(on_lite).endswith("then `journalctl -a -t <component>` on the device")


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("DISK_SPACE_CRITICAL", "free disk space"),
        ("NETWORK_ERROR", "check the device's network"),
        ("ARTIFACT_DOWNLOAD_ERROR", "the token exchange role may read"),
    ],
)
def test_the_most_specific_code_has_the_advice(code: str, advice: str) -> None:
    assert advice in suggest(result(failed(code=code), target=TARGET))


def test_a_device_that_is_set_up_with_another_nucleus_has_its_newest_one() -> None:
    observations = [Registered("cam", CLASSIC, 1.0), Registered("cam", LITE, 2.0), failed_lite()[1]]
    assert device(*observations).runtime == device(*reversed(observations)).runtime == LITE
