"""`python -m camera`: the loop as a generic component, on either nucleus or started manually.

Exit codes: 0 after SIGTERM or Ctrl-C, 2 if a setting is invalid outside Greengrass.
"""

import os
import sys

from camera.shutdown import EndSignals, run_until_signal

if __name__ == "__main__":
    # Signals must be handled before the imports below, which take seconds on a small device.
    signals = EndSignals()

    from camera.application import loop_from

    loop = loop_from(os.environ)
    if loop is None:
        sys.exit(2)
    run_until_signal(loop, signals)
