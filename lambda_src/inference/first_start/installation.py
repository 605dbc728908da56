"""The process of the runtime's installer, and its progress."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

_INSTALLER = "install_runtime.py"
_MANIFEST = "runtime.json"
_FIRST_REPORT_SECONDS = 5.0
# The installer also writes bytecode, which the manifest's `installed_bytes` do not include.
_MOST_PERCENT_BEFORE_THE_END = 99


class InstallationStopped(Exception):  # noqa: N818 - not a failure
    """Raised after SIGTERM ended the installation; the next start repeats it."""


class InstallationProgress(Protocol):
    """The interface for reports about the progress of an installation."""

    interval_seconds: float

    def installing(self, percent: int, seconds: float) -> None:
        """Report the installed share in percent, and the time since the start in seconds."""
        ...


def install(archive: Path, environment: Path, progress: InstallationProgress) -> str | None:
    """Run the installer until it ends; return its error output if it fails, otherwise None.

    If the environment is already complete, the installer ends before the first report.

    Args:
        archive: folder of the unpacked runtime.
        environment: folder of the environment.
        progress: receives reports, the first after five seconds, then one per interval.

    Raises:
        InstallationStopped: SIGTERM has ended the installation.
    """
    installer: subprocess.Popen[str] | None = None
    is_stopped = False

    def stop(*_: object) -> None:
        nonlocal is_stopped
        is_stopped = True
        if installer is not None:
            _end(installer)

    # The handler is set before the process starts, so that the signal always ends the installer.
    previous_handler = signal.signal(signal.SIGTERM, stop)
    try:
        installer = subprocess.Popen(  # noqa: S603 - a path in the recipe
            [sys.executable, str(archive / _INSTALLER), str(environment)],
            stderr=subprocess.PIPE,
            text=True,
            # The installer has its own session, so the signal also reaches pip, which the installer
            # runs.
            start_new_session=True,
        )
        if is_stopped:
            _end(installer)
        errors = _wait(installer, lambda: installed_percent(archive, environment), progress)
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
    sys.stderr.write(errors)
    if is_stopped:
        raise InstallationStopped
    if installer.returncode == 0:
        return None
    return errors.strip() or f"{_INSTALLER} ended with {installer.returncode}"


def _wait(
    installer: "subprocess.Popen[str]", percent: Callable[[], int], progress: InstallationProgress
) -> str:
    """Report progress until the installer ends; return its error output."""
    started, wait_seconds = time.monotonic(), _FIRST_REPORT_SECONDS
    while True:
        try:
            return installer.communicate(timeout=wait_seconds)[1]
        except subprocess.TimeoutExpired:
            progress.installing(percent(), time.monotonic() - started)
            wait_seconds = progress.interval_seconds


def _end(installer: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(installer.pid, signal.SIGTERM)


def installed_percent(archive: Path, environment: Path) -> int:
    """Return the percentage of the environment that is on disk, 0 to 99."""
    try:
        expected = int(json.loads((archive / _MANIFEST).read_bytes())["installed_bytes"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
    partial = environment.with_name(f".{environment.name}.partial")
    share = _bytes_below(partial) * 100 // max(expected, 1)
    return min(share, _MOST_PERCENT_BEFORE_THE_END)


def _bytes_below(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 - faster
            except OSError:
                continue  # the installer has removed it
    return total
