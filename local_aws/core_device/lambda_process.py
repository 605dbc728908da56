"""A Lambda component's process: the published function's own zip, with Greengrass' environment."""

import asyncio
import contextlib
import os
import secrets
import signal
from dataclasses import dataclass
from pathlib import Path

from local_aws.core_device.lifecycle import Problem
from local_aws.process.child_processes import ends_with_parent

_RUNTIME = Path(__file__).with_name("lambda_runtime.py")
_STOP_SECONDS = 6.0
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME", "TZ")


@dataclass(frozen=True)
class Launch:
    """How a component is started; the environment is complete."""

    component: str
    interpreter: Path
    handler: str
    environment: dict[str, str]
    work: Path
    log: Path
    status_timeout_seconds: float


def base_environment() -> dict[str, str]:
    """What a component's process has of the core's own environment."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def new_token() -> str:
    """Return a token for a component's IPC connection."""
    return secrets.token_hex(16)


class LambdaProcess:
    """One running function."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self._process: asyncio.subprocess.Process | None = None
        # Where this process' own lines begin in the log.
        self._began_at = 0

    async def start(self) -> Problem | None:
        """Start, and wait until the handler was imported; return why not, or None."""
        launch = self.launch
        launch.work.mkdir(parents=True, exist_ok=True)
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        ready, said = os.pipe()
        with launch.log.open("ab") as log:
            self._began_at = log.tell()
            self._process = await asyncio.create_subprocess_exec(
                str(launch.interpreter),
                "-u",
                str(_RUNTIME),
                str(said),
                launch.handler,
                cwd=launch.work,
                env=launch.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(said,),
                start_new_session=True,
                preexec_fn=ends_with_parent(signal.SIGKILL),
            )
        os.close(said)
        try:
            return await self._until_ready(ready)
        finally:
            os.close(ready)

    async def wait(self) -> int:
        """Return the exit code when the process has ended."""
        return await self._process.wait() if self._process else 0

    async def stop(self) -> None:
        """End the process and all it started, politely first."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def _until_ready(self, ready: int) -> Problem | None:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(ready, readable.set)
        try:
            await asyncio.wait_for(readable.wait(), self.launch.status_timeout_seconds)
        except TimeoutError:
            return Problem(
                "STARTUP_TIMEOUT",
                f"the handler was not imported within {self.launch.status_timeout_seconds:g} s; "
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

    def last_lines(self) -> str:
        """Return the end of what this process printed."""
        printed = self.launch.log.read_bytes()[self._began_at :]
        lines = printed.decode(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-4:])
