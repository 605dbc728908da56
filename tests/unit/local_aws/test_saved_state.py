"""Which saved state is used again."""

import json
from pathlib import Path

import pytest

from local_aws.paths import StatePaths
from local_aws.saved_state import discard, prepare


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    """The files of a state that was saved by a clean stop."""
    made = StatePaths(tmp_path / "aws")
    made.services.mkdir(parents=True)
    (made.services / "iot.json").write_text("{}")
    made.clean_marker.touch()
    return made


def _with_stack(paths: StatePaths, status: str) -> None:
    state = {"payload": {"stacks": {"data": {"key": {"StackName": "app", "StackStatus": status}}}}}
    (paths.services / "cloudformation.json").write_text(json.dumps(state))


def test_the_first_start_has_nothing_to_discard(tmp_path: Path) -> None:
    assert prepare(StatePaths(tmp_path / "new" / "aws")) == []


def test_cleanly_saved_state_is_kept_and_is_unclean_until_the_next_clean_stop(
    paths: StatePaths,
) -> None:
    assert prepare(paths) == []
    assert (paths.services / "iot.json").exists()
    (note,) = prepare(paths)
    assert "was killed before it could save" in note
    assert not paths.services.exists()


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_a_stack_at_rest_is_kept(paths: StatePaths, status: str) -> None:
    _with_stack(paths, status)
    assert prepare(paths) == []


@pytest.mark.parametrize(
    "status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"]
)
def test_a_stack_that_can_never_finish_is_named_and_discards_everything(
    paths: StatePaths, status: str
) -> None:
    _with_stack(paths, status)
    (note,) = prepare(paths)
    assert f"in the middle of app ({status})" in note
    assert not paths.services.exists()


def test_discarding_takes_the_cores_and_nothing_else_beside_the_state(paths: StatePaths) -> None:
    core, other = paths.cores / "camera", paths.cores / "photos"
    (core / "greengrass" / "v2").mkdir(parents=True)
    other.mkdir()
    discard(paths)
    assert [folder.exists() for folder in (core, other)] == [False, True]
