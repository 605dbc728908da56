"""The Python Lambda runtime of the virtual core, which imports the handler and then waits.

The device's interpreter runs this file, so it imports only the standard library.
Usage: lambda_runtime.py READY_FD MODULE.FUNCTION
"""

import importlib
import os
import signal
import sys
import time


def main(ready_fd: int, handler: str) -> None:
    """Import the handler, write `ready` to the descriptor, and wait for SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.path.insert(0, os.environ["AWS_GREENGRASS_LAMBDA_ARTIFACT_PATH"])
    module, _, function = handler.rpartition(".")
    getattr(importlib.import_module(module), function)
    os.write(ready_fd, b"ready")
    os.close(ready_fd)
    while True:
        # signal.pause() could block forever, if the signal arrives just before the call.
        time.sleep(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
