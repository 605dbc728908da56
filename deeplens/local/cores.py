"""A virtual core device: its process, its log and its live view."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deeplens.config import EnvironmentConfig
from deeplens.local import emulator
from deeplens.local.emulator import LOGS, ROOT, Endpoint
from deeplens.local.processes import WRONG_INPUT, CommandFailed, running
from deeplens.local.status import status_line
from deeplens.local.steps import Steps
from deeplens.runtime.device_environment import runtime_problem
from local_aws.core_device.connection import BACK, LOST
from local_aws.core_device.running_lock import running_process

if TYPE_CHECKING:
    import subprocess

EMULATOR_ENDED = (
    "the emulator has ended (see .local/logs/local-aws.log or .local/aws/server.log); "
    "`deeplens local up` starts it"
)
_JOIN_SECONDS = 120.0
_LIVE_VIEW_SECONDS = 60.0
_POLL_SECONDS = 0.2
_STAY_SECONDS = 0.5
_PREFIX = re.compile(r"^\S+ \S+ core \S+: ")


@dataclass(frozen=True)
class RunningCore:
    """A virtual core device that was started.

    `began_at` and `function_began_at` are the positions, in bytes, in the log files at which this
    run begins.
    """

    thing: str
    process: "subprocess.Popen[bytes]"
    log: Path
    began_at: int
    function_log: Path
    function_began_at: int
    live_view_file: Path

    def lines(self) -> list[str]:
        """Return the device's log lines since its start, without the prefix of time and name."""
        printed = _lines(self.log, self.began_at)
        return [_PREFIX.sub("", line) for line in printed if line.strip()]

    def function_lines(self) -> list[str]:
        """Return the log lines of the function since the start of the device."""
        return _lines(self.function_log, self.function_began_at)

    def last_line(self) -> str:
        """Return the last of `lines`; `(none)` if there are none."""
        return next(reversed(self.lines()), "(none)")

    def check_running(self) -> None:
        """Raise `CommandFailed` with the last line of the log if the process has ended."""
        code = self.process.poll()
        if code is None:
            return
        last = self.last_line()
        if last.startswith("Error: "):
            raise CommandFailed(last.removeprefix("Error: "))
        raise CommandFailed(
            f"{self.thing} ended with exit code {code}; its last line: {last} (see {self.log})"
        )

    def check_deployments(self) -> None:
        """Raise `CommandFailed` if a deployment has failed since the start."""
        for line in self.lines():
            if line.startswith("deployment failed: "):
                raise CommandFailed(f"{self.thing}: {line} (see {self.log})")

    def live_view(self) -> str | None:
        """Return the address of the live view, or None if it is not open."""
        try:
            return self.live_view_file.read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None


def check_free(thing: str) -> None:
    """Raise `CommandFailed` if a core device named `thing` is running."""
    process = running_process(emulator.core_files(thing))
    if process is not None:
        raise CommandFailed(
            f"{thing} is already running (process {process}): stop it, or start a camera with "
            "another name (`deeplens local camera --name …`)"
        )


def check_runtime(environment: EnvironmentConfig) -> None:
    """Check that the virtual device can run the runtime that the environment pins.

    Raises:
        CommandFailed: the device has another Python version than the pinned [runtime].
    """
    if environment.runtime.to_pins() and (problem := runtime_problem(ROOT)):
        raise CommandFailed(f"environments/{environment.name}.toml: {problem}", WRONG_INPUT)


@contextmanager
def provisioned_core(
    steps: Steps, environment: EnvironmentConfig, endpoint: Endpoint, thing: str, images: Path
) -> Iterator[RunningCore]:
    """Provision a core device and run it during the block.

    Raises:
        CommandFailed: a device with this name is running, or the device cannot be provisioned, does
            not start, or does not connect.
    """
    check_free(thing)
    with steps.step("provision", f"provision {thing}: thing, certificate, member of the fleet"):
        emulator.provision(environment, endpoint, thing)
    with ExitStack() as stack:
        with steps.step("start", f"start the virtual core device {thing}"):
            core = stack.enter_context(running_core(environment, thing, images))
        yield core


@contextmanager
def running_core(environment: EnvironmentConfig, thing: str, images: Path) -> Iterator[RunningCore]:
    """Run a core device during the block, which begins when the device waits for deployments.

    Raises:
        CommandFailed: the device does not start or connect.
    """
    component, files = emulator.inference_component(environment), emulator.core_files(thing)
    address = files.work(component) / "state" / "live-view.url"
    # A device that was killed leaves the file with the address of its closed live view.
    address.unlink(missing_ok=True)
    log = LOGS / f"{thing}.log"
    began_at, function_began_at = _size(log), _size(files.log(component))
    with running(emulator.core_command(thing, images), log) as process:
        core = RunningCore(
            thing, process, log, began_at, files.log(component), function_began_at, address
        )
        wait_until(
            lambda: any("waits for deployments" in line for line in core.lines()),
            core,
            "connecting",
            _JOIN_SECONDS,
        )
        yield core


def wait_until(holds: Callable[[], bool], core: RunningCore, phase: str, seconds: float) -> None:
    """Wait until a condition is true, and show the phase meanwhile.

    Raises:
        CommandFailed: the device ended, or `seconds` have passed.
    """
    give_up_at = time.monotonic() + seconds
    with status_line() as status:
        while not holds():
            core.check_running()
            if time.monotonic() > give_up_at:
                raise CommandFailed(
                    f"{core.thing}: {phase} did not end within {seconds:.0f} s; its last line: "
                    f"{core.last_line()} (see {core.log})"
                )
            status.update(phase)
            time.sleep(_POLL_SECONDS)


def wait_for_live_view(core: RunningCore) -> str | None:
    """Wait at most 60 s for the live view; return its address, or None if it is not open.

    Raises:
        CommandFailed: the device has ended.
    """
    try:
        wait_until(
            lambda: core.live_view() is not None, core, "loading the model", _LIVE_VIEW_SECONDS
        )
    except CommandFailed:
        core.check_running()
    return core.live_view()


def _never_ended(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def stay(
    core: RunningCore,
    endpoint: Endpoint,
    announce: Callable[[str], None],
    ended: Callable[[float], bool] = _never_ended,
    outage: Callable[[str], None] | None = None,
) -> None:
    """Wait until `ended` returns True; by default, wait without end.

    `ended` receives the maximum time that it may wait, in seconds. `announce` receives each new
    address of the live view; a deployment can change the address. If `outage` is given, the wait
    continues without the emulator, and `outage` receives the lines about the device's connection.

    Raises:
        CommandFailed: the device has ended, the emulator has ended or restarted and `outage` is not
            given, or the emulator runs on other ports.
    """
    announced = core.live_view()
    position = _size(core.log)
    while not ended(_STAY_SECONDS):
        core.check_running()
        position = _pass_on_outages(core.log, position, outage)
        found = emulator.read_endpoint()
        if found != endpoint and outage is None:
            raise CommandFailed(EMULATOR_ENDED)
        if found is not None and found.address != endpoint.address:
            raise CommandFailed(
                "the ports of the emulator have changed, and a running camera uses the old ones: "
                "start the camera again"
            )
        address = core.live_view()
        if address is not None and address != announced:
            announce(address)
            announced = address


def _pass_on_outages(log: Path, position: int, outage: Callable[[str], None] | None) -> int:
    """Call `outage` with each line about the connection after `position`; return the new offset."""
    if outage is None or _size(log) == position:
        return position
    with log.open("rb") as file:
        file.seek(position)
        complete = file.read().rpartition(b"\n")[0]
    for line in complete.decode(errors="replace").splitlines():
        text = _PREFIX.sub("", line)
        if text.startswith((LOST, BACK)):
            outage(text)
    return position + len(complete)


def _lines(log: Path, began_at: int) -> list[str]:
    if not log.is_file():
        return []
    return log.read_bytes()[began_at:].decode(errors="replace").splitlines()


def _size(log: Path) -> int:
    return log.stat().st_size if log.is_file() else 0
