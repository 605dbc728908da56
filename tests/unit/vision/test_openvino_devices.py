"""OpenVINO runs on the CPU, or on an Intel GPU with correct results."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifact.archive import Artifact
from shared.artifact.errors import EngineError
from shared.vision.engine import open_engine
from shared.vision.graph_loader import open_runtime

# The camera imports this module, because `import openvino` starts a process that sends usage data.
from shared.vision.openvino_runtime import OpenVinoRuntime, devices_for, openvino

pytestmark = pytest.mark.filterwarnings("ignore")

names = st.lists(st.sampled_from(["CPU", "GPU", "GPU.0", "GPU.1", "NPU", "AUTO"]), unique=True)


@given(available=names)
def test_every_choice_names_a_device_that_is_there_or_is_refused(available: list[str]) -> None:
    gpus = [name for name in available if name.startswith("GPU")]
    assert devices_for("cpu", available) == ["CPU"]
    assert devices_for("auto", available) == [*gpus[:1], "CPU"]
    if gpus:
        assert devices_for("gpu", available) == gpus[:1]
    else:
        with pytest.raises(EngineError, match=r"OpenVINO finds .*'auto' uses the CPU"):
            devices_for("gpu", available)


def test_a_device_that_is_none_is_refused() -> None:
    with pytest.raises(EngineError, match="engine_device 'tpu': expected 'auto', 'cpu' or 'gpu'"):
        devices_for("tpu", ["CPU"])


def test_a_gpu_that_is_not_there_is_one_clear_error(shapes: Artifact) -> None:
    if any(name.startswith("GPU") for name in openvino.Core().available_devices):
        pytest.skip("this machine has a GPU that OpenVINO finds")
    with pytest.raises(EngineError, match=r"OpenVINO finds CPU, but no GPU") as refused:
        open_engine("openvino", shapes, device="gpu")
    assert "\n" not in str(refused.value)
    assert open_engine("openvino", shapes, device="auto").name == "openvino"


def test_tensorflow_has_no_gpu(shapes: Artifact) -> None:
    with pytest.raises(EngineError, match="'openvino' has a GPU"):
        open_runtime("tensorflow", shapes.graph_file, (), device="gpu")


def test_threads_are_not_pinned_to_processors(shapes: Artifact) -> None:
    outputs = tuple(output.name for output in shapes.manifest.outputs.values())
    runtime = open_runtime("openvino", shapes.graph_file, outputs)
    assert isinstance(runtime, OpenVinoRuntime)
    compiled = runtime._compiled  # noqa: SLF001 - OpenVINO's property is not public
    assert compiled.get_property("ENABLE_CPU_PINNING") is False


class MachineWithGpu(openvino.Core):
    """A double of OpenVINO that compiles the GPU's models for the CPU, or rejects them."""

    refuses = False
    compiled_for: list[tuple[str, dict[str, Any]]]

    @property
    def available_devices(self) -> list[str]:
        return ["CPU", "GPU.0", "GPU.1"]

    def compile_model(self, model: Any, device: str, settings: dict[str, Any]) -> Any:
        self.compiled_for.append((device, settings))
        if device != "CPU" and self.refuses:
            raise RuntimeError("Check 'driver' failed at src/plugin.cpp:1:\n[GPU] out of memory")
        return super().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> type[MachineWithGpu]:
    made = type("Machine", (MachineWithGpu,), {"compiled_for": []})
    monkeypatch.setattr("openvino.Core", made)
    return made


@pytest.mark.parametrize("device", ["auto", "gpu"])
def test_a_gpu_is_used_and_named(
    machine: type[MachineWithGpu], shapes: Artifact, device: str, tmp_path: Path
) -> None:
    engine = open_engine("openvino", shapes, device=device, threads=1, cache=tmp_path)
    assert engine.name == "openvino-gpu"
    (used, settings), *others = machine.compiled_for
    assert used == "GPU.0"
    # The device `auto` compares the GPU's results with the CPU's.
    assert [other for other, _ in others] == (["CPU"] if device == "auto" else [])
    # The GPU plugin rejects settings for CPU threads.
    assert "INFERENCE_NUM_THREADS" not in settings
    assert engine.infer(np.zeros((96, 128, 3), np.uint8)) is not None


def test_auto_falls_back_to_the_cpu_when_the_gpu_does_not_support_the_model(
    machine: type[MachineWithGpu], shapes: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    machine.refuses = True
    engine = open_engine("openvino", shapes, device="auto", threads=1)
    assert engine.name == "openvino"
    assert [used for used, _ in machine.compiled_for] == ["GPU.0", "CPU"]
    assert machine.compiled_for[1][1]["INFERENCE_NUM_THREADS"] == 1
    assert "GPU.0 does not support the model: [GPU] out of memory" in caplog.text


class Wrong:
    """A compiled model that returns wrong results."""

    def __init__(self, compiled: Any, wrong: Callable[[Any], Any]) -> None:
        self._compiled, self._wrong = compiled, wrong

    def output(self, name: str) -> Any:
        return self._compiled.output(name)

    def create_infer_request(self) -> Any:
        request, wrong = self._compiled.create_infer_request(), self._wrong

        class Request:
            def infer(self, feed: Any) -> None:
                request.infer(feed)

            def get_tensor(self, port: Any) -> Any:
                return SimpleNamespace(data=wrong(np.array(request.get_tensor(port).data)))

        return Request()


class MachineWithWrongGpu(MachineWithGpu):
    """A double of OpenVINO whose GPU compiles every model and returns wrong results."""

    wrong: Callable[[Any], Any]

    def compile_model(self, model: Any, device: str, settings: dict[str, Any]) -> Any:
        compiled = super().compile_model(model, device, settings)
        return compiled if device == "CPU" else Wrong(compiled, type(self).wrong)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (lambda values: values * 0, "differs by up to"),
        (lambda values: values + 0.5, "differs by up to 0.5"),
        (lambda values: values * np.nan, "differs by up to nan"),
        (lambda values: values[..., :1], "has the shape"),
    ],
    ids=["zeros", "shifted", "not a number", "shape"],
)
def test_auto_uses_the_cpu_when_the_gpu_computes_something_else(
    monkeypatch: pytest.MonkeyPatch,
    shapes: Artifact,
    caplog: pytest.LogCaptureFixture,
    wrong: Callable[[Any], Any],
    expected: str,
) -> None:
    picture = np.full((96, 128, 3), 200, np.uint8)
    on_cpu = open_engine("openvino", shapes).infer(picture)
    machine = type("M", (MachineWithWrongGpu,), {"compiled_for": [], "wrong": staticmethod(wrong)})
    monkeypatch.setattr("openvino.Core", machine)
    engine = open_engine("openvino", shapes, device="auto")
    assert engine.name == "openvino"
    assert engine.fallback
    assert engine.fallback.startswith("gpu does not compute what the CPU computes: ")
    assert expected in engine.fallback
    assert [one.message for one in caplog.records if one.name == "shared.vision.self_test"] == [
        f"runs on the CPU: {engine.fallback}"
    ]
    assert engine.infer(picture) == on_cpu


def test_auto_uses_a_gpu_that_differs_in_the_last_digits(
    monkeypatch: pytest.MonkeyPatch, shapes: Artifact
) -> None:
    nearly = staticmethod(lambda values: values * 1.001 + 0.001)
    machine = type("M", (MachineWithWrongGpu,), {"compiled_for": [], "wrong": nearly})
    monkeypatch.setattr("openvino.Core", machine)
    engine = open_engine("openvino", shapes, device="auto")
    assert (engine.name, engine.fallback) == ("openvino-gpu", None)


def test_gpu_is_held_to_when_it_does_not_take_the_model(
    machine: type[MachineWithGpu], shapes: Artifact
) -> None:
    machine.refuses = True
    with pytest.raises(Exception, match="out of memory"):
        open_engine("openvino", shapes, device="gpu")
    assert [used for used, _ in machine.compiled_for] == ["GPU.0"]
