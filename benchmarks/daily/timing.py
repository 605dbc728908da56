"""Measurements of commands: wall time and peak memory of the process tree."""

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

Log = Callable[[str], None]

_SAMPLE_INTERVAL_SECONDS = 0.02
# The maximum share of stolen CPU time in a run. A run with a higher share is repeated, because the
# host of the virtual machine assigned CPUs to other machines.
_MAX_STOLEN_SHARE = 0.02
_MAX_RUNS = 4
_SHOWN_CHARACTERS = 2000


class BenchmarkError(Exception):
    """Raised if a measured command fails; the message ends with the command's output."""


@dataclass(frozen=True)
class Run:
    """The measurements of one run.

    Attributes:
        seconds: wall time.
        peak_mib: sum of the peak resident set sizes of the command and its descendants.
        output: the command's standard output.
        stolen_seconds: CPU time that the host assigned to other machines.
    """

    seconds: float
    peak_mib: float
    output: str = ""
    stolen_seconds: float = 0.0


@dataclass(frozen=True)
class Command:
    """A command with its folder and environment; `before` runs first and is not measured."""

    arguments: Sequence[str | Path]
    variables: Mapping[str, str]
    folder: Path = ROOT
    before: Callable[[], None] = lambda: None

    def __call__(self) -> Run:
        """Run the command until it ends, and return its measurements.

        Raises:
            BenchmarkError: the command failed.
        """
        self.before()
        process = subprocess.Popen(
            [str(argument) for argument in self.arguments],
            cwd=self.folder,
            env={**_environment(), **self.variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        began, stolen = time.perf_counter(), _stolen_seconds()
        memory = _MemorySampler(process.pid)
        output, errors = process.communicate()
        seconds = time.perf_counter() - began
        peak_mib = memory.stop()
        if process.returncode:
            line = " ".join(str(argument) for argument in self.arguments)
            raise BenchmarkError(
                f"{line} ended with exit code {process.returncode}:\n"
                f"{output[-_SHOWN_CHARACTERS:]}{errors[-_SHOWN_CHARACTERS:]}"
            )
        return Run(seconds, peak_mib, output, _stolen_seconds() - stolen)


def interleaved(
    variants: Mapping[str, Callable[[], Run]], rounds: int, log: Log
) -> dict[str, list[Run]]:
    """Run each variant once as a warm-up, then all variants in each of `rounds` rounds.

    A run with more than 2 % stolen time is repeated, at most three times. The result contains the
    least disturbed run of each variant in each round, without the warm-up.
    """
    runs: dict[str, list[Run]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, variant in variants.items():
            log(f"{name}, {f'round {number} of {rounds}' if number else 'warm-up'}")
            run = _undisturbed(variant) if number else variant()
            if number:
                runs[name].append(run)
    return runs


def _undisturbed(variant: Callable[[], Run]) -> Run:
    """Return a run with at most 2 % stolen time, or the least disturbed of four runs."""
    best = variant()
    for _ in range(_MAX_RUNS - 1):
        if best.stolen_seconds <= best.seconds * _MAX_STOLEN_SHARE:
            break
        best = min(best, variant(), key=lambda run: run.stolen_seconds / run.seconds)
    return best


def median_seconds(runs: Sequence[Run]) -> float:
    """Return the median wall time in seconds."""
    return statistics.median(run.seconds for run in runs)


def median_peak_mib(runs: Sequence[Run]) -> float:
    """Return the median peak memory in MiB."""
    return statistics.median(run.peak_mib for run in runs)


def ratio(runs: Sequence[Run], to: Sequence[Run]) -> float:
    """Return the median of the ratios of wall times within each round."""
    return statistics.median(
        run.seconds / other.seconds for run, other in zip(runs, to, strict=True)
    )


def _stolen_seconds() -> float:
    """Return the stolen time of all CPUs since boot, in seconds (proc(5), /proc/stat: steal)."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


def _environment() -> dict[str, str]:
    """Return the environment without Python's variables, with this Python first in PATH."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


class _MemorySampler:
    """A thread that reads the peak memory of each process in a tree."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak_kib: dict[int, int] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Stop the thread, and return the sum of the peaks in MiB."""
        self._stopped.set()
        self._thread.join()
        return sum(self._peak_kib.values()) / 1024

    def _sample(self) -> None:
        while not self._stopped.wait(_SAMPLE_INTERVAL_SECONDS):
            pids = [self._pid]
            for pid in pids:
                try:
                    pids += _children(pid)
                    self._peak_kib[pid] = _high_water_kib(pid)
                except (OSError, StopIteration):  # The process has ended.
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
