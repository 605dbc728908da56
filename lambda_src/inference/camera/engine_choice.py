"""Which engine runs the model, and what it computes on."""

import importlib.util

from shared.vision.engine import DEFAULT_ENGINE
from shared.vision.engine import ENGINES as OWN_ENGINES
from shared.vision.runtimes import DEVICES

AWSCAM = "awscam"
ENGINES = (*OWN_ENGINES, AWSCAM)
ENGINE_DEVICES = ("auto", *DEVICES)


def engine_here() -> str:
    """Return the engine of a function that is told none.

    The console of a DeepLens sets no variables: there its own engine is used, unless ours is
    installed.
    """
    ours, theirs = (importlib.util.find_spec(name) for name in (DEFAULT_ENGINE, AWSCAM))
    return AWSCAM if theirs and not ours else DEFAULT_ENGINE
