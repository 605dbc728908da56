"""`python3.12 -m first_start ARCHIVE ENVIRONMENT`: run the camera in its Python environment.

ARCHIVE is the unpacked runtime, whose installer creates the folder ENVIRONMENT. A complete
environment is not changed. During the installation, the heartbeat has the status `installing`.

Exit codes: those of the camera; 0 after SIGTERM, 1 without an environment, 2 for wrong usage.
"""

import os
import sys
from pathlib import Path

from first_start.heartbeat import InstallationHeartbeat
from first_start.installation import InstallationStopped, install

_USAGE = "usage: python3.12 -m first_start ARCHIVE ENVIRONMENT"
_ARGUMENTS = 2


def main(arguments: list[str]) -> int:
    """Install the environment if it is missing, then replace this process with the camera."""
    if len(arguments) != _ARGUMENTS:
        sys.stderr.write(f"{_USAGE}: expected 2 arguments; got {len(arguments)}\n")
        return 2
    archive, environment = map(Path, arguments)
    heartbeat = InstallationHeartbeat.of(os.environ)
    try:
        problem = install(archive, environment, heartbeat)
    except InstallationStopped:
        return 0
    if problem is None:
        interpreter = str(environment / "bin" / "python")
        os.execv(interpreter, [interpreter, "-u", "-m", "camera"])  # noqa: S606 - a path in the recipe
    heartbeat.failed(problem)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
