"""From a checked SavedModel to a version that answers."""

from model_tools.serving.batching import BatchedEngine, Batching
from model_tools.serving.engines import load_engine
from model_tools.serving.signatures import Servable
from model_tools.serving.versions import Version


def load_version(
    number: int, servable: Servable, engine: str, batching: Batching | None = None
) -> Version:
    """Load a SavedModel on an engine, with batching if it is wanted.

    Raises:
        ServingError: the engine cannot load it.
    """
    loaded = load_engine(engine, servable)
    return Version(number, servable, BatchedEngine(loaded, batching) if batching else loaded)
