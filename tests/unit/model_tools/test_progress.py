"""The progress output contains the phase and the remaining time, on a terminal and in a log."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from model_tools.progress import FILE_VARIABLE, Phase, Progress, duration, in_one_line

SCRIPT = """
from model_tools.progress import reporting
with reporting() as progress:
    progress.phase("training", 3)
    for step in (1, 2, 3):
        progress.step(step, 0.5)
    progress.phase("packaging")
"""


class Recorded:
    """A recorder of the lines that a display receives."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def show(self, phase: Phase, *, is_new: bool) -> None:
        self.lines.append(("* " if is_new else "") + in_one_line(phase))


def test_the_remaining_time_follows_from_the_steps_after_the_first() -> None:
    times = iter([100.0, 101.0, 110.0, 140.0])
    recorded = Recorded()
    progress = Progress(recorded, clock=lambda: next(times))
    progress.phase("training", 41)
    for step in (1, 2, 11, 41):
        progress.step(step)
    assert recorded.lines == [
        "* training: 41 steps",
        "training: step 1 of 41",
        # One second is too short for an estimate.
        "training: step 2 of 41",
        "training: step 11 of 41, about 30 s left",
        "training: step 41 of 41",
    ]


def test_a_phase_of_unknown_length_is_its_name() -> None:
    recorded = Recorded()
    Progress(recorded).phase("packaging")
    assert recorded.lines == ["* packaging"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "about 10 s"), (31, "about 40 s"), (50.5, "about 50 s"), (51, "about 1 min"),
     (89, "about 1 min"), (91, "about 2 min"), (3600, "about 60 min")],
)  # fmt: skip
def test_a_duration_is_an_estimate(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.process
def test_a_log_gets_one_line_per_phase_and_the_file_the_newest(tmp_path: Path) -> None:
    file = tmp_path / "progress"
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, FILE_VARIABLE: str(file)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == ""
    assert result.stderr.splitlines() == ["training: 3 steps", "packaging"]
    assert file.read_text(encoding="utf-8") == "packaging"


@pytest.mark.process
@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_a_bar_as_wide_as_it_is(no_color: str) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "TERM": "xterm", "COLUMNS": "132", "NO_COLOR": no_color},
        stderr=theirs,
    )
    os.close(theirs)
    shown = _everything(ours)
    assert process.wait(60) == 0
    assert "packaging" in shown
    lines = re.split(r"[\r\n]", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown))
    assert max(map(len, lines)) == 132
    colored = re.search(r"\x1b\[(3[0-8]|9[0-7])[;m]", shown)
    assert (colored is None) == bool(no_color)


@pytest.mark.process
def test_tensorflow_is_loaded_without_its_first_messages_unless_it_fails() -> None:
    script = (
        "import os, sys\n"
        "from model_tools.tensorflow_setup import suppressed_stderr\n"
        "with suppressed_stderr(): os.write(2, b'noise\\n')\n"
        "os.write(2, b'visible\\n')\n"
        "with suppressed_stderr():\n    os.write(2, b'cause\\n')\n    sys.exit(3)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (3, "visible\ncause\n")


def _everything(terminal: int) -> str:
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:
            # Linux returns this error when the last writer has closed the terminal.
            chunk = b""
        if not chunk:
            os.close(terminal)
            return b"".join(chunks).decode()
        chunks.append(chunk)
