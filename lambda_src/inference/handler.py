"""The entry point of the Lambda component: starts the loop in background threads.

A pinned function that blocks during its import never becomes ready, so this module does not wait.
"""

import os
import sys

if packages := os.environ.get("DEEPLENS_PACKAGES"):
    # Packages of the runtime component precede those of the device; AWS' runtime remains first.
    if not os.path.isdir(packages):  # noqa: PTH112 - imports of pathlib must follow the path
        sys.exit(f"DEEPLENS_PACKAGES: {packages} does not exist; the runtime component installs it")
    sys.path.insert(1, packages)

from camera.application import loop_from
from camera.shutdown import run_in_background


def lambda_handler(_event: object, _context: object) -> None:
    """Do nothing, because the loop runs in threads; Greengrass requires a handler."""


if loop := loop_from(os.environ):
    run_in_background(loop)
