"""Environments, releases, fleets and reviews, and the commands of the operator."""

import sys
from pathlib import Path

# In a wheel, setup.py copies model_tools and the shared packages into this folder, so that they can
# be imported.
_VENDORED = Path(__file__).with_name("vendored")
if _VENDORED.is_dir():
    sys.path.insert(0, str(_VENDORED))
