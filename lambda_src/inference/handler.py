"""What Greengrass imports: the loop in background threads, as a pinned Lambda must.

A pinned function that blocks while it is imported never becomes ready, so nothing here waits.
"""

import os

from camera.application import exit_on_sigterm, start


def lambda_handler(_event: object, _context: object) -> None:
    """Do nothing: the loop runs by itself. Greengrass demands a handler."""


if start(os.environ):
    exit_on_sigterm()
