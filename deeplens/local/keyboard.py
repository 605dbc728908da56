"""Detection of the Enter key."""

import os
import select
import sys
import time


def is_interactive() -> bool:
    """Return whether a person can press Enter: this process is in a terminal's foreground."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:
        return False


def enter_pressed(seconds: float) -> bool:
    """Wait at most `seconds` for Enter; return True for Enter or the end of the input.

    If the process is not in the foreground of a terminal, wait `seconds` and return False.
    """
    if not is_interactive():
        time.sleep(seconds)
        return False
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    if readable:
        sys.stdin.readline()
    return bool(readable)
