"""The recorder takes a snapshot after a change, except during operations of a stack."""

from pathlib import Path

import pytest

from local_aws.ministack_hooks import persistence
from local_aws.state import snapshots
from local_aws.state.paths import StatePaths
from local_aws.state.recorder import Recorder

pytestmark = pytest.mark.emulator


class Services:
    """A double of ministack's services with their state."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {"iot": "1"}
        self.at_rest = True
        self.error: Exception | None = None

    def serialized(self) -> dict[str, str]:
        if self.error:
            raise self.error
        return dict(self.states)


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    made = Services()
    monkeypatch.setattr(persistence, "serialized_states", made.serialized)
    monkeypatch.setattr(persistence, "are_stacks_idle", lambda: made.at_rest)
    return made


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(tmp_path)


def number(paths: StatePaths) -> int:
    """Return the number of the newest snapshot, or 0 without a snapshot."""
    newest = snapshots.newest(paths)
    return int(newest.name) if newest else 0


def test_only_a_change_makes_a_snapshot(services: Services, paths: StatePaths) -> None:
    recorder = Recorder(paths)
    numbers = []
    for act in (
        lambda: None,
        lambda: None,
        lambda: services.states.update(iot="2"),
        paths.objects.mkdir,
        lambda: (paths.objects / "object").write_text("new"),
    ):
        act()
        recorder.take_snapshot()
        numbers.append(number(paths))
    assert numbers == [1, 1, 2, 2, 3]


def test_there_is_no_snapshot_in_the_middle_of_a_stacks_operation(
    services: Services, paths: StatePaths
) -> None:
    services.at_rest = False
    Recorder(paths).take_snapshot()
    assert number(paths) == 0


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (OSError(28, "No space left on device"), 1),
        (TypeError("a datetime"), 1),
        (RuntimeError("dictionary changed size during iteration"), 0),
    ],
)
def test_a_failure_is_logged_once_and_the_next_snapshot_is_taken(
    services: Services,
    paths: StatePaths,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    logged: int,
) -> None:
    recorder = Recorder(paths)
    services.error = error
    recorder.take_snapshot()
    recorder.take_snapshot()
    assert len([text for text in caplog.messages if "cannot be saved" in text]) == logged
    services.error = None
    recorder.take_snapshot()
    assert number(paths) == 1
