"""What Greengrass imports: the loop in background threads, as a pinned Lambda must.

A pinned function that blocks while it is imported never becomes ready, so nothing here waits.
"""

import os
import sys

if packages := os.environ.get("DEEPLENS_PACKAGES"):
    # Those of the runtime component win over what the device has; AWS' own runtime stays first.
    if not os.path.isdir(packages):  # noqa: PTH112 - nothing is imported before it is known from where
        sys.exit(f"DEEPLENS_PACKAGES: {packages} is not there; the runtime component installs it")
    sys.path.insert(1, packages)

from camera.application import loop_from
from camera.shutdown import run_beside_main_thread


def lambda_handler(_event: object, _context: object) -> None:
    """Do nothing: the loop runs by itself. Greengrass demands a handler."""


if loop := loop_from(os.environ):
    run_beside_main_thread(loop)
