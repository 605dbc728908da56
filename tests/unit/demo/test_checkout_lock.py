"""Commands of one checkout wait for its lock."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deeplens.local import checkout_lock as module
from deeplens.local.checkout_lock import checkout_lock

pytestmark = pytest.mark.process

SCRIPT = Path(module.__file__)


def started(folder: Path, program: str) -> "subprocess.Popen[str]":
    """Copy the lock's script to `folder`, and start the script with a program."""
    copy = folder / "deeplens/local/checkout_lock.py"
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_text(SCRIPT.read_text(encoding="utf-8"), encoding="utf-8")
    words = [sys.executable, str(copy), "set-up", "--", sys.executable, "-c", program]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_the_second_command_waits_for_the_first_and_prints_one_line(tmp_path: Path) -> None:
    with started(tmp_path, "print('runs', flush=True); input()") as first:
        assert first.stdout is not None
        assert first.stdin is not None
        assert first.stdout.readline() == "runs\n"
        with started(tmp_path, "print('second')") as second:
            assert second.stdout is not None
            waiting = second.stdout.readline()
            first.stdin.write("\n")
            first.stdin.flush()
            assert second.stdout.read() == "second\n"
    assert waiting == (
        f"set-up: waiting for another command of this checkout (process {first.pid})\n"
    )
    assert (first.returncode, second.returncode) == (0, 0)


def test_a_killed_command_leaves_no_lock(tmp_path: Path) -> None:
    with started(tmp_path, "print('runs', flush=True); input()") as first:
        assert first.stdout is not None
        first.stdout.readline()
        first.send_signal(signal.SIGKILL)
        first.wait()
    with started(tmp_path, "raise SystemExit(5)") as second:
        second.communicate()
    assert second.returncode == 5


def test_a_free_lock_prints_nothing(tmp_path: Path) -> None:
    lines: list[str] = []
    for _ in range(2):
        with checkout_lock("demo", lines.append, tmp_path / "locks"):
            pass
    assert lines == []


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / ".local").write_text("a file")
    with started(tmp_path, "print('runs')") as process:
        printed, _ = process.communicate()
    assert (process.returncode, printed) == (1, "")
