"""Environments, releases, the fleet, reviews, and the commands of the emulator."""

import sys
from pathlib import Path

# A wheel contains model_tools and the shared packages here; setup.py puts them there.
_VENDORED = Path(__file__).with_name("vendored")
if _VENDORED.is_dir():
    sys.path.insert(0, str(_VENDORED))
