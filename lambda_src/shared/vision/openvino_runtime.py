"""The OpenVINO runtime, which reads TensorFlow's frozen graphs without TensorFlow.

Three properties of OpenVINO require special handling. On CPUs with bfloat16, it computes in
bfloat16 unless a precision is set. The order of its outputs is undefined, so they are read by name.
The package sends usage data at each import, unless `openvino_telemetry` is missing.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.artifact.errors import ArtifactError, EngineError
from shared.vision.runtime import Arrays, as_array

# If the telemetry package cannot be imported, OpenVINO sends no usage data.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

import openvino  # noqa: E402 - must follow the line above

logger = logging.getLogger(__name__)

_CPU, _GPU = "CPU", "GPU"
_CHANNELS = 3


class OpenVinoRuntime:
    """A frozen graph on the CPU or an Intel GPU; `device` is the device in use."""

    def __init__(  # noqa: PLR0913 - keyword-only options
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
        with _as_artifact_error(graph):
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
            raise ArtifactError(f"the graph does not accept this input: {_cause(error)}") from None
        return {
            name: as_array(self._request.get_tensor(port).data)
            for name, port in self._ports.items()
        }


def convert(graph: Path) -> None:
    """Check that OpenVINO supports every operation of a graph, without compiling it.

    Raises:
        ArtifactError: operations are not supported; the message contains their names.
    """
    with _as_artifact_error(graph):
        openvino.Core().read_model(graph)


def _check_channels(graph: Path, model: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """Reject a graph whose input does not have three channels.

    OpenVINO reshapes some of these graphs without an error.
    """
    for name, shape in shapes.items():
        input_shape = model.input(name).partial_shape
        if (
            _CHANNELS not in shape[1:]
            or input_shape.rank.is_dynamic
            or len(input_shape) != len(shape)
        ):
            continue
        axis = len(shape) - 1 if shape[-1] == _CHANNELS else shape.index(_CHANNELS, 1)
        if input_shape[axis].is_dynamic:
            continue
        if (channels := input_shape[axis].get_length()) != _CHANNELS:
            kind = "grayscale images" if channels == 1 else f"images with {channels} channels"
            raise ArtifactError(
                f"{graph}: the model requires {kind} ({name} has the shape {input_shape}), "
                "cameras provide three channels: add a layer that converts them, and package the "
                "model again"
            )


@contextmanager
def _as_artifact_error(graph: Path) -> Iterator[None]:
    """Convert OpenVINO's errors to an `ArtifactError` of one line that contains the file's name."""
    try:
        yield
    except RuntimeError as error:
        advice = "; use engine 'tensorflow', which supports them" if _unconverted(error) else ""
        raise ArtifactError(f"{graph}: OpenVINO cannot load it: {_cause(error)}{advice}") from None


def devices_for(device: str, available: Sequence[str]) -> list[str]:
    """Return the OpenVINO devices to compile for, such as `GPU.0`, in order of preference.

    Args:
        device: `auto`, `cpu` or `gpu`.
        available: the names of the devices that OpenVINO detects.

    Raises:
        EngineError: the device is not available.
    """
    gpus = [name for name in available if name.partition(".")[0] == _GPU][:1]
    if device == "gpu" and not gpus:
        raise EngineError(
            f"engine_device 'gpu': OpenVINO finds {', '.join(available) or 'no device'}, but no "
            "GPU; it requires an Intel GPU, its driver, and the component's user in the group "
            "render; 'auto' uses the CPU if there is no GPU"
        )
    devices = {"cpu": [_CPU], "gpu": gpus, "auto": [*gpus, _CPU]}.get(device)
    if devices is None:
        raise EngineError(f"engine_device {device!r}: expected 'auto', 'cpu' or 'gpu'")
    return devices


def _compiled(
    core: Any, model: Any, devices: list[str], settings: dict[str, str | int], threads: int | None
) -> tuple[str, Any]:
    """Compile for the first device that supports the model, and return its name and the model.

    If no device supports the model, the error of the last device is raised.
    """
    *tried, last = devices
    for device in tried:
        try:
            return _device_name(device), core.compile_model(model, device, settings)
        except RuntimeError as error:
            logger.warning("%s does not support the model: %s", device, _cause(error))
    if last == _CPU:
        # A pinned thread waits for its CPU while another CPU is idle (decision 108).
        settings = {**settings, "ENABLE_CPU_PINNING": False}
        if threads is not None:
            settings["INFERENCE_NUM_THREADS"] = threads
    return _device_name(last), core.compile_model(model, last, settings)


def _device_name(device: str) -> str:
    return device.partition(".")[0].lower()


def _cause(error: Exception) -> str:
    """Return the cause of an error, without the lines about OpenVINO's source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = _unconverted(error) or [line for line in lines if "https://" not in line][-1:]
    return ("; ".join(cause) or type(error).__name__)[:300]


def _unconverted(error: Exception) -> list[str]:
    """Return the lines about operations that OpenVINO does not support."""
    lines = (line.strip() for line in str(error).splitlines())
    return [line.removeprefix("-- ") for line in lines if line.startswith("-- ")]
