"""The interface of runtimes that run a frozen graph, and shared functions of the runtimes."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shared.artifact.errors import ArtifactError

Arrays = dict[str, npt.NDArray[Any]]


class Runtime(Protocol):
    """A graph that is loaded on one device."""

    # The device that runs the graph: one of `graph_loader.DEVICES`.
    device: str

    def run(self, feed: Arrays) -> Arrays:
        """Return the outputs by tensor name, such as `detection_scores:0`, for inputs by name."""
        ...


def read_graph(graph: Path) -> bytes:
    """Return the bytes of a graph file; raise `ArtifactError` if the file cannot be read."""
    try:
        return graph.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{graph}: cannot be read: {error.strerror}") from None


def as_array(value: Any) -> npt.NDArray[Any]:
    """Return a copy of a runtime's output, because its next run overwrites the original."""
    return np.array(value)
