"""The process of the emulator, with ministack, Greengrass V2 and the device endpoints."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import stat
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws.devices.access import DeviceAccess, DeviceAccessError
from local_aws.process.child_processes import descendants, kill_all, start_time, with_variable
from local_aws.process.endpoint import Endpoint, new_root_key
from local_aws.process.ports import LOOPBACK, Ports, free, listen, moved
from local_aws.process.single_instance import lock_state
from local_aws.state.paths import StatePaths, make_private
from local_aws.state.recovery import complete, prepare

if TYPE_CHECKING:
    from local_aws.process.emulator_services import EmulatorServices

_STARTER_CHECK_SECONDS = 0.5
# The environment variable whose value identifies the processes that a server starts.
_CHILD_VARIABLE = "STATE_DIR"
# The minimum pause between two snapshots. If the server is killed, the changes since the last
# snapshot are lost.
_SNAPSHOT_SECONDS = 2.0
# The minimum pause as a multiple of the last snapshot's duration, which limits the overhead.
_PAUSE_PER_SNAPSHOT = 30
_READY_SECONDS = 300
# The longest wait for the last server to save its state, as in `down`.
_LOCK_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a server.

    Attributes:
        ends_with: id of a process; the server ends when this process ends.
        trace_file: file to which authorization decisions are appended.
        delay_seconds: delay of the effects of asynchronous operations.
        device_access: ports, host name and address for real devices.
    """

    ends_with: int | None = None
    trace_file: Path | None = None
    delay_seconds: float = 0.0
    device_access: DeviceAccess | None = None


def run(paths: StatePaths, options: Options) -> None:
    """Run the server until SIGTERM or SIGINT, or until the process `ends_with` ends.

    The function does not return: the process ends after the state is saved, even if threads are
    still waiting.
    """
    make_private(paths.root)
    if not lock_state(paths, _LOCK_SECONDS):
        sys.exit(f"emulator: another server uses {paths.root}")
    is_log = stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)
    if is_log and os.fstat(sys.stdout.fileno()).st_ino == _inode(paths.log):
        os.ftruncate(sys.stdout.fileno(), 0)
    # Functions and containers of a killed server would send requests to this server.
    kill_all(with_variable(_CHILD_VARIABLE, str(paths.services)))
    access = options.device_access
    if access is not None:
        # Check the ports before the state changes.
        _require_free_ports(access)
    notes = prepare(paths)
    before = Ports.read(paths.ports)
    gateway = listen(before.gateway)
    ports = Ports(
        gateway.getsockname()[1],
        access.mqtt_port if access else free(before.mqtt),
        access.https_port if access else free(before.device),
    )
    for note in (*notes, *_notes(before, ports, access)):
        print(note, flush=True)  # noqa: T201 - output for the log or terminal
    ports.write(paths.ports)
    _set_environment(paths, ports)
    if options.delay_seconds:
        print(f"emulator: delays {options.delay_seconds:g} s", flush=True)  # noqa: T201 - output for the log or terminal
    asyncio.run(_serve(paths, gateway, ports, options))


def _require_free_ports(access: DeviceAccess) -> None:
    try:
        access.require_free_ports()
    except DeviceAccessError as error:
        sys.exit(f"emulator: {error}")


def _notes(before: Ports, ports: Ports, access: DeviceAccess | None) -> list[str]:
    """Return messages about changed ports, and about the ports of real devices."""
    notes = []
    if access is not None:
        notes = access.notes()
        chosen = replace(before, mqtt=ports.mqtt, device=ports.device)
        if before.mqtt and before != chosen:
            notes.append(
                "emulator: the ports of devices have changed; restart the cameras that are running"
            )
        before = chosen
    changed = moved(before, ports)
    return [changed, *notes] if changed else notes


def _inode(file: Path) -> int | None:
    return file.stat().st_ino if file.exists() else None


def _set_environment(paths: StatePaths, ports: Ports) -> None:
    """Set the variables that ministack reads at import, and that Lambda functions inherit."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    for folder in (paths.services, paths.objects, paths.temporary):
        folder.mkdir(parents=True, exist_ok=True)
    interpreter = str(Path(sys.executable).parent)
    os.environ.update(
        AUTH="true",
        AWS_EC2_METADATA_DISABLED="true",
        BIND_HOST=LOOPBACK,
        MINISTACK_HOST=LOOPBACK,
        GATEWAY_PORT=str(ports.gateway),
        IOT_MTLS_PORT=str(ports.mqtt),
        IOT_MTLS_ENABLED="1",
        SFTP_ENABLED="0",
        PERSIST_STATE="1",
        **{_CHILD_VARIABLE: str(paths.services)},
        S3_PERSIST="1",
        S3_DATA_DIR=str(paths.objects),
        TMPDIR=str(paths.temporary),
        DOCKER_HOST="unix:///nonexistent/docker.sock",
        PATH=os.pathsep.join([interpreter, os.environ.get("PATH", os.defpath)]),
    )


async def _serve(
    paths: StatePaths,
    gateway: socket.socket,
    ports: Ports,
    options: Options,
) -> None:
    from local_aws.process.emulator_services import EmulatorServices  # noqa: PLC0415 - import requires the environment

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ends_with, access = options.ends_with, options.device_access
    watch = asyncio.create_task(_watch(ends_with, stop)) if ends_with is not None else None
    root_key = new_root_key()
    endpoint_url = f"http://{LOOPBACK}:{ports.gateway}"
    aws = EmulatorServices(
        endpoint_url,
        paths,
        root_key,
        delay_seconds=options.delay_seconds,
        device_access=options.device_access,
    )
    if options.trace_file is not None:
        aws.trace_authorization(options.trace_file)
    serving = asyncio.create_task(aws.serve(gateway, stop))
    starting = asyncio.create_task(aws.start_device_endpoints(paths, ports))
    await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED,
                       timeout=_READY_SECONDS)  # fmt: skip
    if not starting.done() or serving.done():
        stop.set()
    else:
        starting.result()
        Endpoint(
            pid=os.getpid(),
            endpoint_url=aws.endpoint_url,
            mqtt_host=LOOPBACK,
            mqtt_port=ports.mqtt,
            device_port=ports.device,
            ca_file=str(paths.ca),
            root_key=root_key,
            s3_port=access.s3_port if access else None,
            device_host=access.host if access else None,
            device_address=access.address if access else None,
        ).write(paths.endpoint)
    snapshots = asyncio.create_task(_take_snapshots(aws))
    await stop.wait()
    snapshots.cancel()
    paths.endpoint.unlink(missing_ok=True)
    starting.cancel()
    await aws.stop_device_endpoints()
    await serving
    aws.stop_workers()
    if watch is not None:
        watch.cancel()
    _end(paths, saved=aws.state_was_saved())


async def _take_snapshots(aws: "EmulatorServices") -> None:
    pause = _SNAPSHOT_SECONDS
    while True:
        await asyncio.sleep(pause)
        began = time.monotonic()
        aws.take_snapshot()
        pause = max(_SNAPSHOT_SECONDS, _PAUSE_PER_SNAPSHOT * (time.monotonic() - began))


async def _watch(pid: int, stop: asyncio.Event) -> None:
    """Set `stop` when a process ends; the start time detects a reuse of the process id."""
    started = start_time(pid)
    while started is not None and start_time(pid) == started:  # noqa: ASYNC110 - only polling detects the end
        await asyncio.sleep(_STARTER_CHECK_SECONDS)
    stop.set()


def _end(paths: StatePaths, *, saved: bool) -> None:
    """Exit within the event loop; the loop's regular end would wait for threads of Lambda calls."""
    kill_all(descendants(os.getpid()))
    shutil.rmtree(paths.temporary, ignore_errors=True)
    if saved:
        with contextlib.suppress(OSError):
            complete(paths)
    logging.shutdown()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)
