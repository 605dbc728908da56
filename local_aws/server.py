"""The embedded AWS as one process: ministack, Greengrass V2 and the device endpoint."""

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import socket
import stat
import sys
from pathlib import Path

from local_aws.endpoint import Endpoint
from local_aws.lock import hold
from local_aws.paths import StatePaths
from local_aws.processes import descendants, kill_all
from local_aws.saved_state import prepare

LOOPBACK = "127.0.0.1"
_PARENT_CHECK_SECONDS = 0.5
_READY_SECONDS = 300
# As long as `down` gives the last server to save its state.
_PATIENCE_SECONDS = 120


def run(paths: StatePaths, *, watch_parent: bool) -> None:
    """Run until SIGTERM or SIGINT, or until the parent ends if ``watch_parent``.

    Does not return: the process ends here, after the state is saved, whatever still waits.
    """
    paths.root.mkdir(parents=True, exist_ok=True)
    if not hold(paths, _PATIENCE_SECONDS):
        sys.exit(f"local-aws: another server uses {paths.root}")
    if not watch_parent and stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode):
        os.ftruncate(sys.stdout.fileno(), 0)
    for note in prepare(paths):
        print(note, flush=True)  # noqa: T201 - the log or the terminal is where a server speaks
    gateway = socket.create_server((LOOPBACK, 0))
    mqtt_port = _free_port()
    _set_environment(paths, gateway.getsockname()[1], mqtt_port)
    asyncio.run(_serve(paths, gateway, mqtt_port, watch_parent=watch_parent))


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _set_environment(paths: StatePaths, port: int, mqtt_port: int) -> None:
    """Set what ministack reads when it is imported, and what Lambda functions inherit."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    for folder in (paths.services, paths.objects, paths.temporary):
        folder.mkdir(parents=True, exist_ok=True)
    interpreter = str(Path(sys.executable).parent)
    os.environ.update(
        AWS_EC2_METADATA_DISABLED="true",
        BIND_HOST=LOOPBACK,
        MINISTACK_HOST=LOOPBACK,
        GATEWAY_PORT=str(port),
        IOT_MTLS_PORT=str(mqtt_port),
        IOT_MTLS_ENABLED="1",
        SFTP_ENABLED="0",
        PERSIST_STATE="1",
        STATE_DIR=str(paths.services),
        S3_PERSIST="1",
        S3_DATA_DIR=str(paths.objects),
        TMPDIR=str(paths.temporary),
        DOCKER_HOST="unix:///nonexistent/docker.sock",
        PATH=os.pathsep.join([interpreter, os.environ.get("PATH", os.defpath)]),
    )


async def _serve(
    paths: StatePaths, gateway: socket.socket, mqtt_port: int, *, watch_parent: bool
) -> None:
    from local_aws.embedded import EmbeddedAws  # noqa: PLC0415 - reads the environment set above

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    watch = asyncio.create_task(_watch_parent(os.getppid(), stop)) if watch_parent else None
    aws = EmbeddedAws(f"http://{LOOPBACK}:{gateway.getsockname()[1]}", paths)
    serving = asyncio.create_task(aws.serve(gateway, stop))
    starting = asyncio.create_task(aws.start_device_endpoint(paths))
    await asyncio.wait({serving, starting}, return_when=asyncio.FIRST_COMPLETED,
                       timeout=_READY_SECONDS)  # fmt: skip
    if not starting.done() or serving.done():
        stop.set()
    else:
        Endpoint(
            pid=os.getpid(),
            endpoint_url=aws.endpoint_url,
            mqtt_host=LOOPBACK,
            mqtt_port=mqtt_port,
            device_port=starting.result(),
            ca_file=str(paths.ca),
        ).write(paths.endpoint)
    await stop.wait()
    paths.endpoint.unlink(missing_ok=True)
    starting.cancel()
    await aws.stop_device_endpoint()
    await serving
    aws.stop_workers()
    if watch is not None:
        watch.cancel()
    _end(paths, saved=aws.state_was_saved())


async def _watch_parent(parent: int, stop: asyncio.Event) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110 - no event tells that a parent ended
        await asyncio.sleep(_PARENT_CHECK_SECONDS)
    stop.set()


def _end(paths: StatePaths, *, saved: bool) -> None:
    """End at once, inside the loop: its end would wait for threads that wait for a Lambda."""
    kill_all(descendants(os.getpid()))
    shutil.rmtree(paths.temporary, ignore_errors=True)
    if saved:
        paths.clean_marker.touch()
    logging.shutdown()
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)
