"""OpenVINO: reads TensorFlow's frozen graphs without TensorFlow, and runs them faster.

Three of its habits are not ours. On CPUs with bfloat16 it computes in that unless told not to.
Answers come in an order of its own, so they are asked for by name. And its package reports each
import to its makers, unless the reporting package is missing.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.artifact.errors import ArtifactError, EngineError
from shared.vision.graph_loader import Arrays, as_array

# A camera reports to its owner alone: to OpenVINO, the package is missing.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402 - after the line above

logger = logging.getLogger(__name__)

_CPU, _GPU = "CPU", "GPU"
_CHANNELS = 3


class OpenVinoRuntime:
    """Runs a frozen graph on the CPU or an Intel GPU; `device` says which."""

    def __init__(  # noqa: PLR0913 - each is a choice of the caller's
        self,
        graph: Path,
        outputs: tuple[str, ...],
        *,
        shapes: dict[str, tuple[int, ...]] | None = None,
        threads: int | None = None,
        precision: str = "f32",
        cache: Path | None = None,
        device: str = "cpu",
    ) -> None:
        core = openvino.Core()
        devices = devices_for(device, core.available_devices)
        settings: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
        }
        if cache is not None:
            settings["CACHE_DIR"] = str(cache)
        with _refusals_of(graph):
            model = core.read_model(graph)
            if shapes:
                _check_channels(graph, model, shapes)
                model.reshape({name: list(shape) for name, shape in shapes.items()})
            self.device, self._compiled = _compiled(core, model, devices, settings, threads)
            self._ports = {name: self._compiled.output(name) for name in outputs}
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


def convert(graph: Path) -> None:
    """Check that OpenVINO has every operation of a graph, without compiling it.

    Raises:
        ArtifactError: it does not; the text names the operations.
    """
    with _refusals_of(graph):
        openvino.Core().read_model(graph)


def _check_channels(graph: Path, model: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """Reject a graph for other than three channels: some graphs could be reshaped silently."""
    for name, shape in shapes.items():
        own = model.input(name).partial_shape
        if _CHANNELS not in shape[1:] or own.rank.is_dynamic or len(own) != len(shape):
            continue
        axis = len(shape) - 1 if shape[-1] == _CHANNELS else shape.index(_CHANNELS, 1)
        if own[axis].is_dynamic:
            continue
        if (channels := own[axis].get_length()) != _CHANNELS:
            kind = "grayscale images" if channels == 1 else f"images with {channels} channels"
            raise ArtifactError(
                f"{graph}: the model takes {kind} ({name} has the shape {own}), cameras give three "
                "channels: put a layer in front that takes them, and package the model again"
            )


@contextmanager
def _refusals_of(graph: Path) -> Iterator[None]:
    """Raise OpenVINO's errors as an `ArtifactError` of one sentence that names the file."""
    try:
        yield
    except RuntimeError as error:
        advice = "; the engine 'tensorflow' can" if _unconverted(error) else ""
        raise ArtifactError(
            f"{graph}: OpenVINO cannot load it: {_in_short(error)}{advice}"
        ) from None


def devices_for(wanted: str, available: Sequence[str]) -> list[str]:
    """Return what to compile for, in this order, of what OpenVINO sees, such as `GPU.0`.

    Args:
        wanted: `auto`, `cpu` or `gpu`.
        available: OpenVINO's own names.

    Raises:
        EngineError: there is no such device.
    """
    gpus = [name for name in available if name.partition(".")[0] == _GPU][:1]
    if wanted == "gpu" and not gpus:
        raise EngineError(
            f"engine_device 'gpu': OpenVINO sees {', '.join(available) or 'no device'} here, and "
            "no GPU; it needs an Intel GPU, its driver, and the component's user in the group "
            "render; 'auto' takes the CPU where there is none"
        )
    found = {"cpu": [_CPU], "gpu": gpus, "auto": [*gpus, _CPU]}.get(wanted)
    if found is None:
        raise EngineError(f"engine_device {wanted!r}: expected 'auto', 'cpu' or 'gpu'")
    return found


def _compiled(
    core: Any, model: Any, devices: list[str], settings: dict[str, str | int], threads: int | None
) -> tuple[str, Any]:
    """Compile for the first device that takes the model; the last one's refusal is raised."""
    *tried, last = devices
    for device in tried:
        try:
            return _in_word(device), core.compile_model(model, device, settings)
        except RuntimeError as error:
            logger.warning("%s does not take the model: %s", device, _in_short(error))
    if last == _CPU:
        # A pinned thread waits for its processor while another one is free (decision 108).
        settings = {**settings, "ENABLE_CPU_PINNING": False}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
    return _in_word(last), core.compile_model(model, last, settings)


def _in_word(device: str) -> str:
    return device.partition(".")[0].lower()


def _in_short(error: Exception) -> str:
    """Return the cause; the lines before it name OpenVINO's own source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = _unconverted(error) or [line for line in lines if "https://" not in line][-1:]
    return ("; ".join(cause) or type(error).__name__)[:300]


def _unconverted(error: Exception) -> list[str]:
    """Return the lines about operations that OpenVINO does not have."""
    lines = (line.strip() for line in str(error).splitlines())
    return [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
