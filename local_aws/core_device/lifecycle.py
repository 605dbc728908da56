"""The steps of a generic component's lifecycle: scripts, each in a process group of its own.

Source: AWS IoT Greengrass V2 Developer Guide, "AWS IoT Greengrass component recipe reference":
the steps, their default timeouts, and that a step is text or an object with `script`.
"""

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.core_device.platforms import own_manifest

_DEFAULT_TIMEOUT_SECONDS = {"install": 120, "startup": 120, "shutdown": 15, "recover": 60}
_STOP_SECONDS = 5.0
_LAST_LINES = 4


@dataclass(frozen=True)
class Step:
    """One step of a recipe's lifecycle; `timeout_seconds` is None for `run`."""

    name: str
    script: str
    timeout_seconds: float | None
    variables: dict[str, str] = field(default_factory=dict)


def step(recipe: dict[str, Any], name: str) -> Step | None:
    """Return a step of the recipe's manifest for this device, or None if it has none."""
    manifest = own_manifest(recipe)
    lifecycle = manifest.get("Lifecycle") or recipe.get("Lifecycle") or {}
    found: Any = lifecycle.get(name)
    # The classic core reads keys in any case.
    more = (
        {key.lower(): value for key, value in found.items()}
        if isinstance(found, dict)
        else {"script": found}
    )
    script = more.get("script")
    if not script:
        return None
    timeout = more.get("timeout", _DEFAULT_TIMEOUT_SECONDS.get(name))
    variables = {key: str(value) for key, value in more.get("setenv", {}).items()}
    return Step(name, str(script), None if timeout is None else float(timeout), variables)


class Script:
    """One step's process; what it prints is the component's log."""

    def __init__(self, step: Step, work: Path, log: Path, environment: dict[str, str]) -> None:
        self._step = step
        self._work = work
        self._log = log
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        # Where this process' own lines begin in the log.
        self._began_at = 0

    async def start(self) -> str | None:
        """Start it; a script that can be started is started, so there is never a problem."""
        self._work.mkdir(parents=True, exist_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._began_at = log.tell()
            self._process = await asyncio.create_subprocess_shell(
                self._step.script,
                cwd=self._work,
                env=self._environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return None

    async def run_to_end(self) -> str | None:
        """Run it within its timeout; return why it failed, or None."""
        await self.start()
        try:
            code = await asyncio.wait_for(self.wait(), self._step.timeout_seconds)
        except TimeoutError:
            await self.stop()
            return (
                f"its {self._step.name} step did not end within {self._step.timeout_seconds:g} s; "
                f"last lines: {self.last_lines()}"
            )
        if code:
            return f"its {self._step.name} step ended with {code}; last lines: {self.last_lines()}"
        return None

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
                await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def last_lines(self) -> str:
        """Return the end of what this process printed."""
        if not self._log.is_file():
            return ""
        printed = self._log.read_bytes()[self._began_at :]
        lines = printed.decode(errors="replace").splitlines()
        return " | ".join(line.strip() for line in lines[-_LAST_LINES:])
