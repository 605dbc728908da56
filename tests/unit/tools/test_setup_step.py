"""A set-up step prints its title and, if it fails, the last lines of its output."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "setup_step.py"


def command(folder: Path, *words: str) -> list[str | Path]:
    return [sys.executable, SCRIPT, "a step", "--log", folder / "log", "--", *words]


def step(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, sys.executable, "-c", program),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_step_that_succeeds_prints_its_title_only(tmp_path: Path) -> None:
    result = step(tmp_path, "print('a hundred packages')")
    assert (result.returncode, result.stdout, result.stderr) == (0, "setup: a step\n", "")
    assert "a hundred packages" in (tmp_path / "log").read_text("utf-8")


def test_a_step_that_fails_shows_its_last_lines_and_keeps_its_exit_code(tmp_path: Path) -> None:
    step(tmp_path, "print('of an earlier step')")
    result = step(tmp_path, "import sys; print('no space left'); sys.exit(7)")
    assert result.returncode == 7
    assert "no space left" in result.stderr
    assert "of an earlier step" not in result.stderr


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = subprocess.run(
        command(tmp_path, "/nowhere/tool"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 127
    assert "/nowhere/tool" in result.stderr


def test_an_interrupted_step_ends_its_command(tmp_path: Path) -> None:
    started = tmp_path / "started"
    program = (
        "import os, pathlib, time; "
        f"pathlib.Path({str(started)!r}).write_text(str(os.getpid())); time.sleep(600)"
    )
    with subprocess.Popen(
        command(tmp_path, sys.executable, "-c", program),
        stdout=subprocess.PIPE,
    ) as process:
        while not (started.exists() and started.read_text()):
            assert process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        assert process.wait() == 130
    assert not Path(f"/proc/{started.read_text()}").exists()
