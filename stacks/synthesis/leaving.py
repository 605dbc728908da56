"""The end of a synthesis, without taking the object graph apart."""

import atexit
import os
import sys


def leave(code: int = 0) -> None:
    """End the process: exit functions run (jsii ends its Node), output is flushed.

    The interpreter's own teardown would free object after object of a heap that the system takes
    back whole.
    """
    atexit._run_exitfuncs()  # noqa: SLF001 - what the interpreter itself calls; there is no other name
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
