"""One server per state folder, also while one starts or still saves."""

import fcntl
import os
import time

from local_aws.process.endpoint import running
from local_aws.state.paths import StatePaths

_POLL_SECONDS = 0.1


def hold(paths: StatePaths, patience_seconds: float) -> bool:
    """Take the folder for as long as this process lives.

    Waits for a server that still saves. False if another one runs, or if the folder did not become
    free in time.
    """
    descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + patience_seconds
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
