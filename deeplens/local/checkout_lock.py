"""Run COMMAND while no other command of this checkout holds the lock NAME.

A command that waits longer than one second prints one line. The lock is released when the command
ends, for any reason. Only the standard library is used, because the checkout's environment may not
exist yet.

Example: checkout_lock.py set-up -- make setup
"""

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCKS = Path(__file__).resolve().parents[2] / ".local" / "locks"
_POLL_SECONDS = 0.1
# The time for which a command waits without printing a line.
_SILENT_SECONDS = 1.0


@contextmanager
def checkout_lock(
    name: str, report: Callable[[str], object], folder: Path = LOCKS
) -> Iterator[int]:
    """Hold a lock during the block, and yield the file descriptor of the lock.

    Args:
        name: the name of the lock, which is the name of the command in messages.
        report: receives one line if the lock is not free after one second.
        folder: the folder of the lock files.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        began, reported = time.monotonic(), False
        while not _take(descriptor):
            if not reported and time.monotonic() - began >= _SILENT_SECONDS:
                holder = os.pread(descriptor, 32, 0).decode() or "unknown"
                report(f"{name}: waiting for another command of this checkout (process {holder})")
                reported = True
            time.sleep(_POLL_SECONDS)
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield descriptor
    finally:
        # The lock is released when its last descriptor is closed.
        os.close(descriptor)


def main() -> int:
    """Acquire the lock and run the command in this process; return an exit code if that fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", help="the lock, as it is printed")
    parser.add_argument("command", nargs="+", help="the command, after --")
    options = parser.parse_args()

    def report(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    try:
        with checkout_lock(options.name, report) as descriptor:
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - accepts no keyword
            os.execvp(options.command[0], options.command)  # noqa: S606 - a command of the Makefile
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        where = error.filename or options.command[0]
        sys.stderr.write(f"{options.name}: {where}: {error.strerror}\n")
        return 1


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
