"""The gate returns the same result for the same fleet, in any order of observations."""

import random
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplens.config import RolloutConfig
from shared.fleet.device_state import (
    InstalledComponent,
    ReceivedHeartbeat,
    Registered,
    latest_by_device,
)
from shared.fleet.explanation import suggest, summarize
from shared.fleet.gate import GateRule, RolloutTarget, evaluate_gate
from shared.fleet.rollout import RolloutPlan
from testkit.gate_streams import (
    CREATED,
    LATE,
    LATE_OUTCOMES,
    NOW,
    OLD,
    OUTCOMES,
    TARGET,
    TRUTHS,
    Truth,
    disturbed,
    execution,
    expected_state,
    heartbeat,
    story,
)
from testkit.heartbeats import with_changes

truths = st.lists(st.sampled_from(TRUTHS), max_size=12)
rules = st.builds(
    GateRule,
    success_percent=st.sampled_from([0.0, 50.0, 90.0, 100.0]),
    error_percent=st.sampled_from([0.0, 10.0, 50.0, 100.0]),
    minimum_devices=st.integers(0, 4),
)


@given(truths, rules, st.randoms(use_true_random=False), st.sampled_from(["early", "late"]))
def test_missing_repeated_and_reordered_news_change_no_verdict(
    found: list[Truth], rule: GateRule, random_: random.Random, when: str
) -> None:
    late = when == "late"
    stories = [story(f"cam-{number:02d}", truth) for number, truth in enumerate(found)]
    things = [one.thing for one in stories]
    target = replace(TARGET, deadline=NOW) if late else TARGET

    result = evaluate_gate(target, rule, things, disturbed(stories, random_), NOW)

    assert {one.thing: one.outcome for one in result.devices} == {
        one.thing: (LATE_OUTCOMES if late else OUTCOMES)[one.truth] for one in stories
    }
    assert result.state == expected_state(found, rule, late=late)
    in_order = [observations for one in stories for observations in (*one.passing, *one.needed)]
    assert evaluate_gate(target, rule, things, in_order, NOW) == result


@given(truths, st.randoms(use_true_random=False))
def test_news_may_come_in_two_parts(found: list[Truth], random_: random.Random) -> None:
    """Observations may arrive in two parts, because only the newest of each device counts."""
    observations = disturbed([story(f"cam-{n}", truth) for n, truth in enumerate(found)], random_)
    cut = random_.randrange(len(observations) + 1)
    assert latest_by_device(observations, "d-1") == latest_by_device(
        [*observations[cut:], *observations[:cut], *observations], "d-1"
    )


@given(truths)
def test_news_of_another_deployment_is_no_news(found: list[Truth]) -> None:
    stories = [story(f"cam-{n}", truth) for n, truth in enumerate(found)]
    observations = [one for each in stories for one in (*each.passing, *each.needed)]
    result = evaluate_gate(
        replace(TARGET, deployment_id="d-2"),
        GateRule(),
        [s.thing for s in stories],
        observations,
        NOW,
    )
    assert not result.with_outcome("good")
    assert not result.with_outcome("failed")


@given(truths, rules)
def test_after_the_deadline_there_is_a_verdict(found: list[Truth], rule: GateRule) -> None:
    stories = [story(f"cam-{n}", truth) for n, truth in enumerate(found)]
    observations = [one for each in stories for one in (*each.passing, *each.needed)]
    assert (
        evaluate_gate(TARGET, rule, [s.thing for s in stories], observations, LATE).state
        != "pending"
    )


@given(truths)
def test_no_rule_passes_a_release_that_no_reachable_device_runs(found: list[Truth]) -> None:
    bad = [truth for truth in found if LATE_OUTCOMES[truth] != "good"]
    stories = [story(f"cam-{n}", truth) for n, truth in enumerate(bad)]
    observations = [one for each in stories for one in (*each.passing, *each.needed)]
    result = evaluate_gate(TARGET, GateRule(), [one.thing for one in stories], observations, NOW)
    assert result.state != "passed" or not result.reachable


def one(
    *observations: object,
    target: RolloutTarget = TARGET,
    rule: GateRule | None = None,
    now: float = NOW,
) -> str:
    result = evaluate_gate(target, rule or GateRule(), ["cam"], observations, now)  # type: ignore[arg-type]
    [device] = result.devices
    return f"{result.state}, {device.outcome}: {device.reason}"


DONE = execution("cam", "SUCCEEDED", CREATED + 9)


def test_a_joined_core_whose_camera_never_spoke_is_waited_for() -> None:
    fresh = execution("cam", "QUEUED", NOW)
    assert one(Registered("cam"), fresh).startswith("pending, waiting: is silent, but may")
    assert one(Registered("cam")).startswith("pending, waiting: the rollout has not come")
    busy = execution("cam", "IN_PROGRESS", NOW)
    assert one(Registered("cam"), busy, now=NOW + 100).startswith("pending, waiting: is carrying")
    assert one(Registered("cam"), DONE, now=LATE).startswith("failed, waiting: finished")


def test_a_core_that_takes_nothing_in_time_is_offline_and_fails_nothing() -> None:
    queued = execution("cam", "QUEUED", NOW - 30)
    assert one(Registered("cam"), queued) == "passed, offline: is silent"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model_digest": OLD}, f"names model {OLD}"),
        ({"function_arn": "arn:old:1"}, "names function arn:old:1"),
        ({"frames": 0, "last_error": "lens cap"}, "without a frame; last error: lens cap"),
        ({"status": "failing"}, "is failing, 5 frames"),
    ],
)
def test_completed_is_not_enough(fields: dict[str, object], expected: str) -> None:
    beat = heartbeat("cam", NOW - 1, 2, **fields)
    assert expected in one(DONE, beat)
    assert one(DONE, beat, target=replace(TARGET, deadline=NOW)).startswith("failed")


def test_a_device_without_an_error_has_none_in_its_text() -> None:
    beat = heartbeat("cam", NOW - 1, 2, frames=0, last_error=None)
    assert one(DONE, beat).endswith("without a frame")


def test_a_heartbeat_of_the_process_that_was_replaced_proves_nothing() -> None:
    """The gate ignores heartbeats of the replaced process.

    A release that changes only settings has the digest and function of the previous release.
    """
    before = heartbeat("cam", CREATED + 5, 1, uptime_seconds=500.0)
    assert "sent no heartbeat since" in one(DONE, before, now=CREATED + 10)
    restarted = heartbeat("cam", CREATED + 8, 2, uptime_seconds=3.0)
    assert one(DONE, before, restarted, now=CREATED + 10).startswith("passed")


BUSY = execution("cam", "IN_PROGRESS", CREATED + 2)
VERIFIED = heartbeat("cam", CREATED + 299, 9, uptime_seconds=200.0)


def test_at_the_deadline_the_cameras_report_outweighs_a_job_that_never_finished() -> None:
    assert one(BUSY, VERIFIED, now=CREATED + 299).startswith("pending, waiting: is carrying")
    assert one(BUSY, VERIFIED, now=CREATED + 300) == "passed, good: the job did not finish"
    result = evaluate_gate(TARGET, GateRule(), ["cam"], [BUSY, VERIFIED], CREATED + 300)
    assert summarize(result) == (
        "1 of 1 reachable devices run the release; 1 of these (cam): the job did not finish"
    )


@pytest.mark.parametrize(
    "beat",
    [
        # If the process started before the deployment or at an unknown time, its digest may be that
        # of the old model.
        with_changes(VERIFIED, uptime_seconds=310.0),
        with_changes(VERIFIED, uptime_seconds=0.0),
        with_changes(VERIFIED, model_digest=OLD),
        with_changes(VERIFIED, function_arn="arn:old:1"),
        with_changes(VERIFIED, frames=0),
        with_changes(VERIFIED, status="failing"),
        with_changes(VERIFIED, received_at=CREATED + 280),
    ],
    ids=["old process", "unknown start", "model", "function", "no frame", "failing", "silent"],
)
def test_a_job_that_did_not_finish_needs_the_whole_report(beat: ReceivedHeartbeat) -> None:
    assert one(BUSY, beat, now=CREATED + 300).startswith("failed, waiting: is carrying")


def test_a_job_that_did_not_finish_is_not_made_up_for_where_more_is_asked() -> None:
    now = CREATED + 300
    assert one(BUSY, VERIFIED, rule=GateRule(minimum_detections=1), now=now).startswith("failed")
    assert one(BUSY, VERIFIED, rule=GateRule(minimum_frames_per_second=1), now=now).startswith(
        "failed"
    )
    queued = execution("cam", "QUEUED", CREATED)
    assert one(Registered("cam"), queued, VERIFIED, now=now).startswith("failed")
    broken = InstalledComponent("cam", "app", "2", "BROKEN", CREATED + 299, "ended with 1")
    assert one(BUSY, VERIFIED, broken, now=now).startswith("failed")


def test_the_rule_of_an_environment_has_every_field() -> None:
    plan = RolloutConfig().to_plan()
    assert set(plan["rule"]) == {one.name for one in fields(GateRule)}
    assert set(plan) == {one.name for one in fields(RolloutPlan)}


def test_a_wrong_clock_of_the_camera_changes_nothing() -> None:
    """The gate uses only durations of the camera's clock, never its times."""
    assert heartbeat("cam", NOW, 1, uptime_seconds=30.0).started_at == NOW - 30


def test_a_camera_that_falls_silent_under_the_gates_eyes_is_not_good() -> None:
    beat = heartbeat("cam", CREATED + 10, 3)
    assert one(DONE, beat, now=CREATED + 60).startswith("pending, waiting: ran the release, and")
    earlier = replace(TARGET, watched_since=CREATED + 1000, deadline=CREATED + 1300)
    assert one(DONE, beat, target=earlier, now=CREATED + 1001).startswith("passed, offline: ran")


def test_a_broken_component_is_a_failure_with_its_last_lines() -> None:
    broken = InstalledComponent(
        "cam", "app", "2", "BROKEN", NOW - 5, "last lines: Segmentation fault"
    )
    assert one(DONE, broken) == (
        "failed, failed: deployment SUCCEEDED, but app is BROKEN: last lines: Segmentation fault"
    )
    assert one(DONE, broken, heartbeat("cam", NOW - 1, 2)).startswith("passed")


def test_half_the_frames_are_not_enough_where_the_rule_says_so() -> None:
    rule = GateRule(minimum_frames_per_second=2.0)
    slow = heartbeat("cam", NOW - 1, 2, uptime_seconds=60.0, frames_per_second=1.0)
    assert "processes 1 frames per second, the rule requires 2" in one(DONE, slow, rule=rule)
    early = with_changes(slow, uptime_seconds=5.0, frames_per_second=9.0)
    assert "not known yet" in one(DONE, early, rule=rule)
    assert one(DONE, with_changes(slow, frames_per_second=2.0), rule=rule).startswith("passed")


def test_a_model_that_runs_well_and_finds_nothing_is_stopped_where_the_rule_says_so() -> None:
    rule = GateRule(minimum_detections=5)
    blind = heartbeat("cam", NOW - 1, 2, frames=400, detections=0)
    assert "has 0 detections on 400 frames, the rule requires 5" in one(DONE, blind, rule=rule)
    too_late = replace(TARGET, deadline=NOW - 1)
    assert one(DONE, blind, rule=rule, target=too_late).startswith("failed")
    assert one(DONE, with_changes(blind, detections=5), rule=rule).startswith("passed")
    assert one(DONE, blind).startswith("passed"), "an empty scene is not a failure"


def test_removal_is_done_when_the_component_is_gone() -> None:
    target = replace(TARGET, model_digest=None, function_arn=None, absent=frozenset({"app"}))
    still = InstalledComponent("cam", "app", "2", "RUNNING", NOW)
    assert one(DONE, still, target=target).startswith("pending, waiting: still has app")
    assert one(DONE, target=target).startswith("passed, good")


def test_a_failure_names_devices_component_stack_and_what_to_try() -> None:
    stack = ("DEPLOYMENT_FAILURE", "ARTIFACT_CHECKSUM_MISMATCH")
    reason = "model 1.0.0: downloaded SHA-256 0, its recipe has 1"
    observations = [
        execution(thing, "FAILED", NOW, reason=reason, error_stack=stack)
        for thing in ("cam-1", "cam-2")
    ]
    result = evaluate_gate(TARGET, GateRule(), ["cam-1", "cam-2"], observations, NOW)
    assert summarize(result) == (
        "0 of 2 reachable devices run the release; 2 failed (cam-1, cam-2): deployment FAILED: "
        f"{reason} [DEPLOYMENT_FAILURE > ARTIFACT_CHECKSUM_MISMATCH]"
    )
    assert "publish the artifact again" in suggest(result)


def test_a_fleet_without_devices_is_no_failure() -> None:
    result = evaluate_gate(TARGET, GateRule(), [], [], NOW)
    assert result.state == "passed"
    assert "no device yet" in summarize(result)
