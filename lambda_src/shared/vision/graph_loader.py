"""What runs a frozen graph: arrays in, arrays out, by the names of tensors."""

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shared.artifact.errors import ArtifactError, EngineError

Arrays = dict[str, npt.NDArray[Any]]

OPENVINO, TENSORFLOW = "openvino", "tensorflow"
RUNTIMES = (OPENVINO, TENSORFLOW)
PRECISIONS = ("f32", "bf16")
DEVICES = ("cpu", "gpu")


class Runtime(Protocol):
    """Runs one graph."""

    # What it computes on: one of `DEVICES`.
    device: str

    def run(self, feed: Arrays) -> Arrays:
        """Return the outputs by tensor name, such as `detection_scores:0`, for inputs by name."""
        ...


def open_runtime(  # noqa: PLR0913 - each is a choice of the caller's
    name: str,
    graph: Path,
    outputs: tuple[str, ...],
    *,
    shapes: dict[str, tuple[int, ...]] | None = None,
    threads: int | None = None,
    precision: str = "f32",
    cache: Path | None = None,
    device: str = "cpu",
) -> Runtime:
    """Load a frozen graph.

    Args:
        name: one of `RUNTIMES`.
        graph: a serialised GraphDef.
        outputs: names of the tensors to compute.
        shapes: of inputs, where they are known better than the graph says.
        threads: None leaves the choice to the runtime.
        precision: one of `PRECISIONS`; bf16 is OpenVINO's only, and changes the numbers.
        cache: a folder for OpenVINO's compiled models.
        device: one of `DEVICES`, or `auto`: an Intel GPU where OpenVINO has one that works.

    Raises:
        ArtifactError: the file is no graph, or has no such tensor.
        EngineError: there is no such device.
        ValueError: no such runtime, or a precision that it does not have.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}: expected {' or '.join(PRECISIONS)}")
    if name == OPENVINO:
        from shared.vision.openvino_runtime import OpenVinoRuntime  # noqa: PLC0415 - not always there

        return OpenVinoRuntime(
            graph,
            outputs,
            shapes=shapes,
            threads=threads,
            precision=precision,
            cache=cache,
            device=device,
        )
    if name == TENSORFLOW:
        if precision != "f32":
            raise ValueError(f"tensorflow runs graphs as they are; {precision} is OpenVINO's")
        if device == "gpu":
            raise EngineError("engine 'tensorflow' computes on the CPU; 'openvino' has a GPU")
        from shared.vision.tensorflow_runtime import TensorFlowRuntime  # noqa: PLC0415 - takes seconds

        return TensorFlowRuntime(graph, outputs, threads=threads)
    raise ValueError(f"engine {name!r}: expected {' or '.join(RUNTIMES)}")


def read_graph(graph: Path) -> bytes:
    """Return the file's bytes, or say that it cannot be read."""
    try:
        return graph.read_bytes()
    except OSError as error:
        raise ArtifactError(f"{graph}: cannot be read: {error.strerror}") from None


def as_array(value: Any) -> npt.NDArray[Any]:
    """Return what a runtime gave as an array of our own, which its next run leaves alone."""
    return np.array(value)
