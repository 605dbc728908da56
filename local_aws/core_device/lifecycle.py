"""The steps of a generic component's lifecycle: scripts, each in a process group of its own.

Source: AWS IoT Greengrass V2 Developer Guide, "AWS IoT Greengrass component recipe reference":
the steps, and their default timeouts.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.process.child_processes import ends_with_parent

_DEFAULT_TIMEOUT_SECONDS = {
    "bootstrap": 120,
    "install": 120,
    "startup": 120,
    "shutdown": 15,
    "recover": 60,
    "uninstall": 120,
}
_STOP_SECONDS = 5.0
_LAST_LINES = 4


@dataclass(frozen=True)
class Problem:
    """A failed step: Greengrass' status code, and a text with the last lines of the log."""

    code: str
    text: str
    exit_code: int | None = None


@dataclass(frozen=True)
class Step:
    """One step of a recipe's lifecycle; `timeout_seconds` is None for a `run` without Timeout."""

    name: str
    script: str
    timeout_seconds: float | None
    variables: dict[str, str] = field(default_factory=dict)


def to_step(name: str, raw: Mapping[str, Any] | None) -> Step | None:
    """Return a step with its default timeout; None if the recipe does not have it."""
    if raw is None:
        return None
    timeout = raw.get("timeout", _DEFAULT_TIMEOUT_SECONDS.get(name))
    variables = {key: str(value) for key, value in (raw.get("setenv") or {}).items()}
    seconds = None if timeout is None else float(timeout)
    return Step(name, str(raw["script"]), seconds, variables)


class Script:
    """One step's process; what it prints is the component's log."""

    def __init__(
        self,
        step: Step,
        work: Path,
        log: Path,
        environment: dict[str, str],
        *,
        stop_seconds: float = _STOP_SECONDS,
    ) -> None:
        self._step = step
        self._work = work
        self._log = log
        self._environment = environment
        self._stop_seconds = stop_seconds
        self._process: asyncio.subprocess.Process | None = None
        # Where this process' own lines begin in the log.
        self._began_at = 0

    async def start(self) -> Problem | None:
        """Start it; a script that can be started is started, so there is never a problem."""
        self._work.mkdir(parents=True, exist_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._began_at = log.tell()
            creation = asyncio.ensure_future(
                asyncio.create_subprocess_shell(
                    self._step.script,
                    cwd=self._work,
                    env=self._environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    # systemd, too, ends the processes of a core that was killed.
                    preexec_fn=ends_with_parent(signal.SIGKILL),
                )
            )
            try:
                self._process = await asyncio.shield(creation)
            except asyncio.CancelledError:
                # The process may exist already, and nothing else would end it.
                self._process = await creation
                await self.stop()
                raise
        return None

    async def run_to_end(self) -> Problem | None:
        """Run it within its timeout; return why it failed, or None."""
        await self.start()
        try:
            code = await asyncio.wait_for(self.wait(), self._step.timeout_seconds)
        except TimeoutError:
            await self.stop()
            return self.timed_out(self._step.timeout_seconds)
        except asyncio.CancelledError:
            await self.stop()
            raise
        if code:
            return self.failed(code)
        return None

    async def start_and_notify(self, folder: Path) -> Problem | None:
        """Start it, and wait until it notifies readiness as systemd expects it (sd_notify(3))."""
        path = folder / f"notify-{secrets.token_hex(4)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listener:
            listener.bind(str(path))
            self._environment = {**self._environment, "NOTIFY_SOCKET": str(path)}
            await self.start()
            ready = asyncio.ensure_future(_until_ready(listener))
            ended = asyncio.ensure_future(self.wait())
            try:
                done, _ = await asyncio.wait(
                    {ready, ended},
                    timeout=self._step.timeout_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            except asyncio.CancelledError:
                await self.stop()
                raise
            finally:
                ready.cancel()
                ended.cancel()
                path.unlink(missing_ok=True)
        if ready in done:
            return None
        await self.stop()
        if ended not in done:
            return self.timed_out(self._step.timeout_seconds)
        return Problem(
            "STARTUP_ERROR",
            f"its {self._step.name} step ended before it notified its unit (`systemd-notify "
            f"--ready` does); last lines: {self.last_lines()}",
        )

    async def wait(self) -> int:
        """Return the exit code when the script has ended."""
        return await self._process.wait() if self._process else 0

    async def stop(self) -> None:
        """End the script and all it started, politely first."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self._stop_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def failed(self, code: int) -> Problem:
        """Return the problem of a script that ended with a code."""
        name = self._step.name
        text = f"its {name} step ended with {code}; last lines: {self.last_lines()}"
        return Problem(f"{name.upper()}_ERROR", text, code)

    def timed_out(self, seconds: float | None) -> Problem:
        """Return the problem of a script that ran longer than `seconds`."""
        name = self._step.name
        return Problem(
            f"{name.upper()}_TIMEOUT",
            f"its {name} step did not end within {seconds or 0:g} s; "
            f"last lines: {self.last_lines()}",
        )

    def last_lines(self) -> str:
        """Return the end of what this process printed."""
        if not self._log.is_file():
            return ""
        printed = self._log.read_bytes()[self._began_at :]
        lines = printed.decode(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-_LAST_LINES:])


async def _until_ready(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while b"READY=1" not in (await loop.sock_recv(listener, 4096)).split(b"\n"):
        continue
