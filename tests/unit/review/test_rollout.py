"""The steps of a rollout are there when a release or the plan changes, with the worst case."""

from typing import Any

import pytest

from deeplens.review.blocks import Folded, Table, Text
from deeplens.review.rollout import compare_rollouts
from deeplens.review.rollout_words import rollout_blocks

WAVES = {
    "rollout": {
        "wait_seconds": 120,
        "waves": [
            {"percent": 10, "wait_seconds": 60, "bake_seconds": 30},
            {"thing_group": "friendly", "wait_seconds": 60},
        ],
    }
}


def test_nothing_released_and_the_same_plan_says_nothing() -> None:
    assert compare_rollouts(WAVES, WAVES, releases=False) is None


def test_a_release_shows_each_step_with_the_cameras_exposed_by_then() -> None:
    rollout = compare_rollouts(WAVES, {**WAVES, "fleet": {"things": ["a", "b"]}}, releases=True)
    assert rollout is not None
    assert (rollout.cameras, rollout.listed, rollout.named_groups) == (2, True, True)
    assert [(one.at_seconds, one.exposed_devices) for one in rollout.after] == [
        (0, 1),
        (90, 2),  # a named group may be the whole fleet
        (150, 2),
    ]


def test_a_changed_plan_shows_both_even_if_nothing_is_released() -> None:
    rollout = compare_rollouts({}, WAVES, releases=False)
    assert rollout is not None
    assert [one.what for one in rollout.before] == ["the whole fleet"]
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
def test_a_base_without_a_plan_that_can_be_read_shows_what_will_be(before: Any) -> None:
    rollout = compare_rollouts(before, WAVES, releases=True)
    assert rollout is not None
    assert rollout.before == ()
    assert rollout.after


def test_an_environment_that_goes_has_no_rollout() -> None:
    assert compare_rollouts(WAVES, None, releases=True) is None
