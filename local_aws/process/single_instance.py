"""A lock that allows one server per state folder, also during the start and end of a server."""

import fcntl
import os
import time

from local_aws.process.endpoint import running
from local_aws.state.paths import StatePaths

_POLL_SECONDS = 0.1


def lock_state(paths: StatePaths, timeout_seconds: float) -> bool:
    """Lock the folder for the lifetime of this process.

    If another server is saving its state, the function waits for at most `timeout_seconds`.

    Returns:
        False if another server is running, or if the folder remains locked.
    """
    descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if running(paths) is not None or time.monotonic() > deadline:
                os.close(descriptor)
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True
