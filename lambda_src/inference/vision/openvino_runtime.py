"""OpenVINO: reads TensorFlow's frozen graphs without TensorFlow, and runs them faster.

Three of its habits are not ours. On CPUs with bfloat16 it computes in that unless told not to.
Answers come in an order of its own, so they are asked for by name. And its package reports each
import to its makers, unless the reporting package is missing.
"""

import sys
from pathlib import Path

from vision.errors import ArtifactError
from vision.runtimes import Arrays, as_array

# A camera reports to its owner alone: to OpenVINO, the package is missing.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402 - after the line above


class OpenVinoRuntime:
    """Runs a frozen graph on the CPU."""

    def __init__(  # noqa: PLR0913 - each is a choice of the caller's
        self,
        graph: Path,
        outputs: tuple[str, ...],
        *,
        shapes: dict[str, tuple[int, ...]] | None = None,
        threads: int | None = None,
        precision: str = "f32",
        cache: Path | None = None,
    ) -> None:
        core = openvino.Core()
        settings: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
        if cache is not None:
            settings["CACHE_DIR"] = str(cache)
        try:
            model = core.read_model(graph)
            if shapes:
                model.reshape({name: list(shape) for name, shape in shapes.items()})
            self._compiled = core.compile_model(model, "CPU", settings)
            self._ports = {name: self._compiled.output(name) for name in outputs}
        except RuntimeError as error:
            raise ArtifactError(f"{graph}: OpenVINO cannot load it: {_in_short(error)}") from None
        self._request = self._compiled.create_infer_request()

    def run(self, feed: Arrays) -> Arrays:
        """Return the outputs by tensor name."""
        try:
            self._request.infer(feed)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ArtifactError(f"the graph does not take this: {_in_short(error)}") from None
        return {
            name: as_array(self._request.get_tensor(port).data)
            for name, port in self._ports.items()
        }


def _in_short(error: Exception) -> str:
    """Return the last line that says something; the ones before name OpenVINO's own sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
