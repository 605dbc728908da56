"""Commands, timed: wall time and the peak memory of the whole process tree."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_LOOK_SECONDS = 0.02
# A virtual machine's host may give its processors to others meanwhile.
_MOST_STOLEN_SHARE = 0.02
_MOST_RUNS = 4


class BenchmarkError(Exception):
    """A command that is measured did not do its work; the text ends with what it said."""


@dataclass(frozen=True)
class Run:
    """What one run took.

    Attributes:
        seconds: wall time.
        peak_mib: sum of the highest resident sizes of the command and what it started.
        said: its standard output.
        stolen_seconds: how long a processor was ready to work and the host let it wait.
    """

    seconds: float
    peak_mib: float
    said: str = ""
    stolen_seconds: float = 0.0


@dataclass(frozen=True)
class Command:
    """What is run, where, and with which variables; `before` comes first and is not timed."""

    words: Sequence[str | Path]
    variables: Mapping[str, str]
    folder: Path = ROOT
    before: Callable[[], None] = lambda: None

    def __call__(self) -> Run:
        """Run it to its end.

        Raises:
            BenchmarkError: it failed.
        """
        self.before()
        process = subprocess.Popen(
            [str(word) for word in self.words],
            cwd=self.folder,
            env={**_clean(), **self.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        began, stolen = time.perf_counter(), _stolen_seconds()
        memory = _Memory(process.pid)
        said, errors = process.communicate()
        seconds = time.perf_counter() - began
        peak_mib = memory.stop()
        if process.returncode:
            line = " ".join(str(word) for word in self.words)
            raise BenchmarkError(
                f"{line} ended with {process.returncode}:\n{said[-2000:]}{errors[-2000:]}"
            )
        return Run(seconds, peak_mib, said, _stolen_seconds() - stolen)


def interleaved(
    variants: Mapping[str, Callable[[], Run]], rounds: int, told: Callable[[str], None]
) -> dict[str, list[Run]]:
    """Run every variant once to warm it up, then all of them `rounds` times in turn.

    A run that the host disturbed is made again.
    """
    runs: dict[str, list[Run]] = {name: [] for name in variants}
    for turn in range(rounds + 1):
        for name, variant in variants.items():
            told(f"{name}, {f'round {turn} of {rounds}' if turn else 'once to warm up'}")
            run = _undisturbed(variant) if turn else variant()
            if turn:
                runs[name].append(run)
    return runs


def _undisturbed(variant: Callable[[], Run]) -> Run:
    """Run until the host took next to nothing away; of a host that always does, the best run."""
    best = variant()
    for _ in range(_MOST_RUNS - 1):
        if best.stolen_seconds <= best.seconds * _MOST_STOLEN_SHARE:
            break
        best = min(best, variant(), key=lambda run: run.stolen_seconds / run.seconds)
    return best


def seconds(runs: Sequence[Run]) -> float:
    """Return the median of the wall times."""
    return statistics.median(run.seconds for run in runs)


def peak_mib(runs: Sequence[Run]) -> float:
    """Return the median of the peaks."""
    return statistics.median(run.peak_mib for run in runs)


def ratio(runs: Sequence[Run], to: Sequence[Run]) -> float:
    """Return the median, over the rounds, of the ratio within a round."""
    return statistics.median(
        one.seconds / other.seconds for one, other in zip(runs, to, strict=True)
    )


def _stolen_seconds() -> float:
    """Return Linux' sum over all processors since it began (proc(5), /proc/stat: steal)."""
    processors = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    return int(processors[8]) / os.sysconf("SC_CLK_TCK")


def _clean() -> dict[str, str]:
    """What a shell gives; what would slow every Python down (no bytecode) is left out."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


class _Memory:
    """Looks at a process tree until it is stopped; Linux keeps each process' highest size."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._highest_kib: dict[int, int] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Return the sum of the peaks in MiB."""
        self._stopped.set()
        self._thread.join()
        return sum(self._highest_kib.values()) / 1024

    def _look(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            pids = [self._pid]
            for pid in pids:
                try:
                    pids += _children(pid)
                    self._highest_kib[pid] = _high_water_kib(pid)
                except (OSError, StopIteration):  # it ended meanwhile
                    continue


def _children(pid: int) -> list[int]:
    return [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text(encoding="ascii").split()
    ]


def _high_water_kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in status if line.startswith("VmHWM:")).split()[1])
