"""tools.busy_loops returns the exit code of its command, and ends all busy processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local_aws.process.child_processes import descendants, is_alive
from testkit.waiting import eventually

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
TOOL = [sys.executable, "-m", "tools.busy_loops", "--loops", "2"]


def beside(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*TOOL, *command], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(5)", 5),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137),
    ],
)
def test_the_exit_code_is_the_commands(source: str, code: int) -> None:
    assert beside(sys.executable, "-c", source).returncode == code


def test_a_command_that_does_not_exist_is_one_sentence() -> None:
    ended = beside("no-such-command", "--option")
    assert (ended.returncode, ended.stderr) == (
        127,
        "no-such-command cannot be started: No such file or directory\n",
    )


@pytest.mark.parametrize("wrong", [[], ["--loops", "0", "true"]])
def test_wrong_usage_is_exit_code_2(wrong: list[str]) -> None:
    assert beside(*wrong).returncode == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_command_and_the_busy_processes_end_with_the_tool(number: signal.Signals) -> None:
    words = [*TOOL, sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(words, cwd=ROOT) as tool:
        started = eventually(lambda: (found := descendants(tool.pid))[2:] and found)
        eventually(lambda: sum(cpu_ticks(pid) > 20 for pid in started) == 2)
        tool.send_signal(number)
        tool.wait()
    assert tool.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    for pid in started:
        eventually(lambda pid=pid: not is_alive(pid))


def cpu_ticks(pid: int) -> int:
    """Return the user processor time of a process, in 1/100 s."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) * 100 // os.sysconf("SC_CLK_TCK")
