"""Load a frozen graph into OpenVINO or TensorFlow."""

from pathlib import Path

from shared.artifact.errors import EngineError
from shared.vision.runtime import Runtime

OPENVINO, TENSORFLOW = "openvino", "tensorflow"
RUNTIMES = (OPENVINO, TENSORFLOW)
PRECISIONS = ("f32", "bf16")
DEVICES = ("cpu", "gpu")


def open_runtime(  # noqa: PLR0913 - keyword-only options
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
    """Return the runtime that computes a frozen graph.

    Args:
        name: one of `RUNTIMES`.
        graph: a serialised GraphDef.
        outputs: names of the tensors to compute.
        shapes: shapes of inputs, if more specific than the shapes in the graph.
        threads: number of CPU threads; None selects the runtime's default.
        precision: one of `PRECISIONS`; only OpenVINO supports bf16, which changes the results.
        cache: a folder for OpenVINO's compiled models.
        device: one of `DEVICES`, or `auto`: an Intel GPU if OpenVINO detects a working one.

    Raises:
        ArtifactError: the file is not a graph, or one of the tensors is missing.
        EngineError: the device is not available.
        ValueError: the runtime does not exist, or does not support the precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}: expected {' or '.join(PRECISIONS)}")
    if name == OPENVINO:
        from shared.vision.openvino_runtime import OpenVinoRuntime  # noqa: PLC0415 - may not be installed

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
            raise ValueError(
                f"engine 'tensorflow' supports only f32; 'openvino' supports {precision}"
            )
        if device == "gpu":
            raise EngineError("engine 'tensorflow' computes on the CPU; 'openvino' has a GPU")
        from shared.vision.tensorflow_runtime import TensorFlowRuntime  # noqa: PLC0415 - its import takes seconds

        return TensorFlowRuntime(graph, outputs, threads=threads)
    raise ValueError(f"engine {name!r}: expected {' or '.join(RUNTIMES)}")
