"""Processes of components: the scripts of a generic component's lifecycle, and Lambda functions.

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
_SCRIPT_STOP_SECONDS = 5.0
_LAMBDA_STOP_SECONDS = 6.0
_LAMBDA_RUNTIME = Path(__file__).with_name("lambda_runtime.py")
_LAST_LINES = 4


@dataclass(frozen=True)
class Problem:
    """A failure of a component: Greengrass' status code, a message, and the exit code, if any."""

    code: str
    text: str
    exit_code: int | None = None


@dataclass(frozen=True)
class LifecycleStep:
    """One step of a recipe's lifecycle; `timeout_seconds` is None for `run` without Timeout."""

    name: str
    script: str
    timeout_seconds: float | None
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LambdaLaunch:
    """The parameters of a Lambda component's process, with its complete environment."""

    component: str
    interpreter: Path
    handler: str
    environment: dict[str, str]
    work: Path
    log: Path
    status_timeout_seconds: float


def to_step(name: str, raw: Mapping[str, Any] | None) -> LifecycleStep | None:
    """Convert a step and apply its default timeout; return None if the recipe has no such step."""
    if raw is None:
        return None
    timeout = raw.get("timeout", _DEFAULT_TIMEOUT_SECONDS.get(name))
    variables = {key: str(value) for key, value in (raw.get("setenv") or {}).items()}
    seconds = None if timeout is None else float(timeout)
    return LifecycleStep(name, str(raw["script"]), seconds, variables)


class ComponentProcess:
    """A process in its own process group; its output is appended to the component's log."""

    def __init__(self, work: Path, log: Path, stop_seconds: float) -> None:
        self._work = work
        self._log = log
        self._stop_seconds = stop_seconds
        self._process: asyncio.subprocess.Process | None = None
        # The size of the log in bytes when the process started.
        self._log_offset = 0

    async def wait(self) -> int:
        """Wait until the process ends, and return its exit code; 0 if it was not started."""
        return await self._process.wait() if self._process else 0

    async def stop(self) -> None:
        """Send SIGTERM, wait up to a timeout for the end of the process, and kill its group."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._terminate(process)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._stop_seconds):
                    await process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def last_lines(self) -> str:
        """Return the last four lines of the process' output, joined by ` | `."""
        if not self._log.is_file():
            return ""
        printed = self._log.read_bytes()[self._log_offset :]
        lines = printed.decode(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-_LAST_LINES:])

    def _terminate(self, process: asyncio.subprocess.Process) -> None:
        os.killpg(process.pid, signal.SIGTERM)

    def _create_folders(self) -> None:
        self._work.mkdir(parents=True, exist_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)


class Script(ComponentProcess):
    """The process of one lifecycle step."""

    def __init__(
        self,
        step: LifecycleStep,
        work: Path,
        log: Path,
        environment: dict[str, str],
        *,
        stop_seconds: float = _SCRIPT_STOP_SECONDS,
    ) -> None:
        super().__init__(work, log, stop_seconds)
        self._step = step
        self._environment = environment

    async def start(self) -> Problem | None:
        """Start the script; return None, because a script can only fail with its exit code."""
        self._create_folders()
        with self._log.open("ab") as log:
            self._log_offset = log.tell()
            creation = asyncio.ensure_future(
                asyncio.create_subprocess_shell(
                    self._step.script,
                    cwd=self._work,
                    env=self._environment,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    # A killed core must not leave scripts running. On a real core, systemd stops
                    # the scripts.
                    preexec_fn=ends_with_parent(signal.SIGKILL),
                )
            )
            try:
                self._process = await asyncio.shield(creation)
            except asyncio.CancelledError:
                # The process may already exist, and no other code would stop it.
                self._process = await creation
                await self.stop()
                raise
        return None

    async def run_to_end(self) -> Problem | None:
        """Run the script until it ends or times out; return the problem, or None after success."""
        await self.start()
        try:
            # Python 3.11's wait_for suppresses a cancellation that arrives when the process ends.
            async with asyncio.timeout(self._step.timeout_seconds):
                code = await self.wait()
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
        """Start the script and wait for its readiness (sd_notify(3)); return None after success."""
        path = folder / f"notify-{secrets.token_hex(4)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listener:
            listener.bind(str(path))
            self._environment = {**self._environment, "NOTIFY_SOCKET": str(path)}
            await self.start()
            ready = asyncio.ensure_future(_wait_for_notification(listener))
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

    def failed(self, code: int) -> Problem:
        """Return the problem for a script that ended with an exit code."""
        name = self._step.name
        text = f"its {name} step ended with {code}; last lines: {self.last_lines()}"
        return Problem(f"{name.upper()}_ERROR", text, code)

    def timed_out(self, seconds: float | None) -> Problem:
        """Return the problem for a script that did not end within `seconds`."""
        name = self._step.name
        return Problem(
            f"{name.upper()}_TIMEOUT",
            f"its {name} step did not end within {seconds or 0:g} s; "
            f"last lines: {self.last_lines()}",
        )


class LambdaProcess(ComponentProcess):
    """The process of a Lambda component, which runs the code of a published Lambda version."""

    def __init__(self, launch: LambdaLaunch) -> None:
        super().__init__(launch.work, launch.log, _LAMBDA_STOP_SECONDS)
        self._launch = launch

    async def start(self) -> Problem | None:
        """Start the process and wait until the handler is imported; return None after success."""
        launch = self._launch
        self._create_folders()
        ready, ready_writer = os.pipe()
        with launch.log.open("ab") as log:
            self._log_offset = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                str(launch.interpreter),
                "-u",
                str(_LAMBDA_RUNTIME),
                str(ready_writer),
                launch.handler,
                cwd=launch.work,
                env=launch.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(ready_writer,),
                start_new_session=True,
                preexec_fn=ends_with_parent(signal.SIGKILL),
            )
        os.close(ready_writer)
        try:
            return await self._wait_until_ready(ready)
        finally:
            os.close(ready)

    def _terminate(self, process: asyncio.subprocess.Process) -> None:
        process.terminate()

    async def _wait_until_ready(self, ready: int) -> Problem | None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(ready, readable.set)
        try:
            async with asyncio.timeout(self._launch.status_timeout_seconds):
                await readable.wait()
        except TimeoutError:
            return Problem(
                "STARTUP_TIMEOUT",
                f"the handler was not imported within {self._launch.status_timeout_seconds:g} s; "
                "a pinned function must not block while it is imported",
            )
        finally:
            loop.remove_reader(ready)
        if os.read(ready, 16):
            return None
        return Problem(
            "STARTUP_ERROR",
            f"the function ended while it was imported; last lines: {self.last_lines()}",
        )


async def _wait_for_notification(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while b"READY=1" not in (await loop.sock_recv(listener, 4096)).split(b"\n"):
        continue
