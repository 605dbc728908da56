"""A start restores the saved state, also after a kill."""

import fcntl
import json
from pathlib import Path

import pytest

from local_aws.state import snapshots
from local_aws.state.paths import StatePaths
from local_aws.state.recovery import discard, prepare


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    """The paths of a state that a clean stop has saved."""
    made = StatePaths(tmp_path / "aws")
    made.services.mkdir(parents=True)
    (made.services / "iot.json").write_text("{}")
    (made.objects / "111111111111/bucket").mkdir(parents=True)
    (made.objects / "111111111111/bucket/key").write_text("object")
    made.clean_marker.touch()
    return made


def _with_stack(paths: StatePaths, status: str) -> None:
    state = {"payload": {"stacks": {"data": {"key": {"StackName": "app", "StackStatus": status}}}}}
    (paths.services / "cloudformation.json").write_text(json.dumps(state))


def _core(paths: StatePaths) -> Path:
    core = paths.cores / "camera"
    (core / "greengrass/v2").mkdir(parents=True)
    (core / "greengrass/v2/spool").write_text("unsent")
    return core


def _content(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_the_first_start_has_nothing_to_discard(tmp_path: Path) -> None:
    assert prepare(StatePaths(tmp_path / "new" / "aws")) == []


def test_cleanly_saved_state_is_kept_and_is_what_a_start_after_a_kill_continues_from(
    paths: StatePaths,
) -> None:
    saved = _content(paths.services), _content(paths.objects)
    assert prepare(paths) == []
    assert (_content(paths.services), _content(paths.objects)) == saved
    # The server replaces files, and is killed before it saves a snapshot.
    for file in (paths.services / "iot.json", paths.objects / "111111111111/bucket/key"):
        file.unlink()
        file.write_text("later")
    (paths.objects / "111111111111/bucket/new").write_text("later")
    (note,) = prepare(paths)
    assert "was killed" in note
    assert "are discarded" in note
    assert (_content(paths.services), _content(paths.objects)) == saved


def test_without_a_snapshot_a_kill_discards_the_state_and_no_core(paths: StatePaths) -> None:
    paths.clean_marker.unlink()
    core = _core(paths)
    (note,) = prepare(paths)
    assert "its state is discarded" in note
    assert not paths.services.exists()
    assert not paths.objects.exists()
    assert (core / "greengrass/v2/spool").read_text() == "unsent"
    assert prepare(paths) == []


def test_objects_whose_bucket_was_not_saved_are_discarded_after_a_kill(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path / "aws")
    (paths.objects / "111111111111/bucket").mkdir(parents=True)
    assert len(prepare(paths)) == 1
    assert not paths.objects.exists()


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"])
def test_a_stack_at_rest_is_kept(paths: StatePaths, status: str) -> None:
    _with_stack(paths, status)
    assert prepare(paths) == []


@pytest.mark.parametrize(
    "status", ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED"]
)
def test_a_stack_that_can_never_finish_is_named_and_the_state_before_it_returns(
    paths: StatePaths, status: str
) -> None:
    _with_stack(paths, "CREATE_COMPLETE")
    assert prepare(paths) == []
    saved = _content(paths.services)
    (paths.services / "cloudformation.json").unlink()
    _with_stack(paths, status)
    paths.clean_marker.touch()
    (note,) = prepare(paths)
    assert f"in the middle of app ({status}); changes after 20" in note
    assert _content(paths.services) == saved


def test_a_reset_takes_the_cores_and_nothing_else_beside_the_state(paths: StatePaths) -> None:
    core, other = _core(paths), paths.cores / "photos"
    other.mkdir()
    assert discard(paths) == []
    assert [folder.exists() for folder in (core, other)] == [False, True]


def test_a_reset_leaves_the_folder_of_a_running_core(paths: StatePaths) -> None:
    core = _core(paths)
    with (core / "running.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        (note,) = discard(paths)
    assert "camera is running (process 4711)" in note
    assert (core / "greengrass/v2/spool").read_text() == "unsent"


def test_a_snapshot_contains_what_is_given_and_replaces_the_one_before(paths: StatePaths) -> None:
    (paths.services / "lambda-blobs").mkdir()
    (paths.services / "lambda-blobs/1.zip").write_text("code")
    (paths.services / "iot.json.tmp").write_text("half")
    snapshots.add(paths, {"iot": "1", "s3": "1"})
    first = snapshots.newest(paths)
    snapshots.add(paths, {"iot": "2", "s3": "1"})
    second = snapshots.newest(paths)
    assert first is not None
    assert second is not None
    assert not first.exists()
    assert _content(second) == {
        "state/iot.json": "2",
        "state/s3.json": "1",
        "state/lambda-blobs/1.zip": "code",
        "s3/111111111111/bucket/key": "object",
    }
    assert (paths.services / "iot.json").read_text() == "{}"


def test_a_snapshot_that_cannot_be_completed_leaves_the_one_before(
    paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots.add(paths, {"iot": "1"})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        snapshots.add(paths, {"iot": "2"})
    monkeypatch.undo()
    assert snapshots.restore(paths) is not None
    assert _content(paths.services) == {"iot.json": "1"}
    assert [snapshot.name for snapshot in paths.snapshots.iterdir()] == ["1"]


def test_what_a_killed_server_was_writing_is_no_snapshot(paths: StatePaths) -> None:
    snapshots.add(paths, {"iot": "1"})
    (paths.snapshots / "partial/state").mkdir(parents=True)
    newest = snapshots.newest(paths)
    assert newest is not None
    assert newest.name == "1"
