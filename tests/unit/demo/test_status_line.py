"""On a terminal, the status is one line; in a log, it is a few lines."""

import itertools
import os
import pty
import sys
from types import SimpleNamespace

import pytest

from deeplens.local import status
from deeplens.local.status import StatusLine


def test_a_log_gets_one_line_for_each_phase_and_one_each_half_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = iter([0.0, 1, 3, 4, 5, 6, 20, 37, 38])
    monkeypatch.setattr(status, "time", SimpleNamespace(monotonic=lambda: next(times)))
    line = StatusLine()
    for text in ("a: 1", "a: 2", "a: 3", "b", "a: 4", "b", "b: 5", "b: 6"):
        line.update(text)
    line.clear()
    assert capsys.readouterr().out.splitlines() == [
        "  … 3 s  a: 2",
        "  … 5 s  b",
        "  … 37 s  b: 5",
    ]


@pytest.mark.parametrize("columns", [40, 132])
def test_a_terminal_gets_one_line_no_wider_than_itself(
    columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    times = itertools.count(0, 3)
    monkeypatch.setattr(status, "time", SimpleNamespace(monotonic=lambda: next(times)))
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        line = StatusLine()
        for number in range(3):
            line.update(f"training: step {number} " + "x" * 200)
        line.clear()
        shown = ""
        while shown.count("\x1b[K") < 4:
            shown += os.read(ours, 65536).decode()
    os.close(ours)
    before, *lines, after = shown.split("\r\x1b[K")
    assert (before, after) == ("", "")
    assert [len(one) for one in lines] == [columns - 1] * 3
    assert "\n" not in shown
