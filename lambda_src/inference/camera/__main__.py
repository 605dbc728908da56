"""`python -m camera`: the loop as a generic component, on nucleus lite or by hand.

Exit codes: 0 told to end by SIGTERM or Ctrl-C, 2 a setting is wrong outside Greengrass.
"""

import os
import signal
import sys
import threading

from camera.application import start

if __name__ == "__main__":
    if not start(os.environ):
        sys.exit(2)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    while not ending.wait(3600):
        pass
