"""If a release or its plan changes, the review contains the steps of the rollout."""

from typing import Any

import pytest

from deeplens.review.blocks import Folded, Table, Text
from deeplens.review.rollout import compare_rollouts, rollout_blocks

WAVES = {
    "rollout": {
        "wait_seconds": 120,
        "waves": [
            {"percent": 10, "wait_seconds": 60, "bake_seconds": 30},
            {"thing_group": "friendly", "wait_seconds": 60},
        ],
    }
}


def test_the_same_plan_without_a_release_has_no_rollout() -> None:
    assert compare_rollouts(WAVES, WAVES, releases=False) is None


def test_each_step_of_a_release_has_the_number_of_exposed_cameras() -> None:
    rollout = compare_rollouts(WAVES, {**WAVES, "fleet": {"things": ["a", "b"]}}, releases=True)
    assert rollout is not None
    assert (rollout.cameras, rollout.listed, rollout.named_groups) == (2, True, True)
    assert [(moment.at_seconds, moment.exposed_devices) for moment in rollout.after] == [
        (0, 1),
        (90, 2),  # a named group can contain the entire fleet
        (150, 2),
    ]


def test_a_changed_plan_without_a_release_has_both_rollouts() -> None:
    rollout = compare_rollouts({}, WAVES, releases=False)
    assert rollout is not None
    assert [moment.exposed_devices for moment in rollout.before] == [100]
    blocks = list(rollout_blocks("production", rollout))
    (table,) = (block for block in blocks if isinstance(block, Table))
    assert table.rows[0] == (
        "0:00",
        "wave 1: 10 % of the fleet",
        "10 of 100",
        "██░░░░░░░░░░░░░░░░░░ 10%",
    )
    assert any(isinstance(block, Folded) for block in blocks)
    assert any(isinstance(block, Text) and "an example" in block.text for block in blocks)


@pytest.mark.parametrize("before", [None, {"rollout": {"unknown_key": 1}}])
def test_a_base_without_a_readable_plan_has_only_the_new_steps(before: Any) -> None:
    rollout = compare_rollouts(before, WAVES, releases=True)
    assert rollout is not None
    assert rollout.before == ()
    assert rollout.after


def test_a_removed_environment_has_no_rollout() -> None:
    assert compare_rollouts(WAVES, None, releases=True) is None
