"""A lock that allows one process per core device.

Two processes with the same certificate would disconnect each other.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_aws.core_device.errors import CoreDeviceError
from local_aws.core_device.layout import Layout


@contextmanager
def exclusive(layout: Layout) -> Iterator[None]:
    """Lock a device while the context is open.

    Raises:
        NotProvisioned: the device has no identity.
        CoreDeviceError: another process runs the device.
    """
    thing = layout.read_identity().thing
    descriptor = os.open(_file(layout), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _lock(descriptor):
            raise CoreDeviceError(
                f"{thing} is already running (process {_holder(descriptor)}): stop it, or give "
                "this device another name"
            )
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        # The kernel releases the lock when the descriptor is closed, even if the process is killed.
        os.close(descriptor)


def running_process(layout: Layout) -> str | None:
    """Return the id of the process that runs a device, or None if no process runs it."""
    try:
        descriptor = os.open(_file(layout), os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        return None if _lock(descriptor) else _holder(descriptor)
    finally:
        os.close(descriptor)


def _file(layout: Layout) -> Path:
    return layout.root / "running.lock"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 32, 0).decode() or "unknown"
