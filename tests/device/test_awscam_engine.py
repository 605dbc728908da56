"""`awscam.Model` as an engine, with a double of the device's library."""

import sys
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from camera.awscam_engine import AwscamEngine
from camera.engine_selection import default_engine, engine_opener
from model_tools.samples.shapes.drawing import write_scenes
from shared.artifact.archive import Artifact, open_artifact
from shared.artifact.errors import ArtifactError, EngineError
from shared.artifact.manifest import IMAGE_CLASSIFICATION, OutputSpec
from shared.vision.detections import Detection
from shared.vision.engine import open_engine
from tests.device.conftest import Unpacked

SOFTWARE = Path(__file__).with_name("deeplens_software")


@pytest.fixture
def artifact(shapes: Unpacked) -> Artifact:
    return open_artifact(shapes.archive, shapes.directory, shapes.digest)


@pytest.fixture
def device(shapes: Unpacked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the doubles of a DeepLens' libraries, and set the folder of the shapes model."""
    monkeypatch.syspath_prepend(SOFTWARE)
    monkeypatch.setenv("DEEPLENS_MODEL_DIRECTORY", str(shapes.directory))
    monkeypatch.chdir(tmp_path)
    for name in ("awscam", "mo"):
        sys.modules.pop(name, None)
    yield
    for name in ("awscam", "mo"):
        sys.modules.pop(name, None)


def boxes(detections: list[Detection]) -> list[tuple[str, float, tuple[float, ...]]]:
    """Return label, score and box of each detection that has a box and a score of at least 0.3.

    Scores and edges are rounded to three decimals; edges are limited to the image.
    """
    return [
        (
            detection.label,
            round(detection.score, 3),
            tuple(round(min(1.0, max(0.0, edge)), 3) for edge in astuple(detection.box)),
        )
        for detection in detections
        if detection.score >= 0.3 and detection.box
    ]


@pytest.mark.usefixtures("device")
def test_a_detector_returns_the_detections_of_the_reference_engine(
    artifact: Artifact, tmp_path: Path
) -> None:
    write_scenes(tmp_path / "scenes", 3, seed=5)
    ours, theirs = open_engine("openvino", artifact), engine_opener("awscam", tmp_path)(artifact)
    assert theirs.name == "awscam"
    for file in sorted((tmp_path / "scenes").glob("*.png")):
        with Image.open(file) as opened:
            picture = np.array(opened.convert("RGB"))
        assert boxes(theirs.infer(picture)) == boxes(ours.infer(picture))
        assert boxes(theirs.infer(picture))


@pytest.mark.usefixtures("device")
@pytest.mark.parametrize(("device_setting", "on_gpu"), [("auto", 1), ("gpu", 1), ("cpu", 0)])
def test_the_engine_device_selects_the_processor(
    artifact: Artifact,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    device_setting: str,
    on_gpu: int,
) -> None:
    import awscam  # noqa: PLC0415 - the fixture `device` installs the module

    given: list[dict[str, int]] = []

    class Watched(awscam.Model):  # type: ignore[misc]  # the device's library has no types
        def __init__(self, path: str, settings: dict[str, int]) -> None:
            given.append(settings)
            super().__init__(path, settings)

    monkeypatch.setattr(awscam, "Model", Watched)
    engine_opener("awscam", tmp_path, device_setting)(artifact)
    assert given == [{"GPU": on_gpu}]


def test_a_classifiers_numbers_are_the_label_maps_ids_less_one(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[npt.NDArray[Any]] = []

    class Model:
        def __init__(self, path: str, settings: dict[str, int]) -> None: ...

        def doInference(self, frame: npt.NDArray[Any]) -> dict[str, Any]:  # noqa: N802 - the library's name
            seen.append(frame)
            return {}

        def parseResult(self, kind: str, raw: object) -> dict[str, Any]:  # noqa: N802, ARG002 - the library's name
            return {kind: [{"label": 1, "prob": 0.2}, {"label": 0.0, "prob": 0.7},
                           {"label": 99, "prob": 0.1}]}  # fmt: skip

    monkeypatch.setitem(sys.modules, "awscam", SimpleNamespace(Model=Model))
    optimizer = SimpleNamespace(optimize=lambda *_, **__: (0, "frozen_model.xml"))
    monkeypatch.setitem(sys.modules, "mo", optimizer)
    spec = replace(artifact.manifest.input, layout="NCHW", dtype="float32", mean=(1.0, 1.0, 1.0))
    classifier = replace(
        artifact,
        labels={1: "left", 2: "right"},
        manifest=replace(
            artifact.manifest,
            task=IMAGE_CLASSIFICATION,
            input=spec,
            outputs={"scores": OutputSpec("scores:0", "float32", (1, 2), "softmax")},
        ),
    )
    detections = AwscamEngine(classifier, on_gpu=True).infer(np.full((10, 20, 3), 5, np.uint8))
    assert detections == [Detection("left", 0.7), Detection("right", 0.2), Detection("id 100", 0.1)]
    # The manifest's preprocessing sets height, width and channels.
    assert seen[-1].shape == (96, 128, 3)
    assert seen[-1].max() == seen[-1].min() == 4.0


@pytest.mark.parametrize(("status", "expected"), [(1, "not supported"), (2, "optimizer failed")])
@pytest.mark.usefixtures("device")
def test_the_error_of_a_rejected_model_has_the_reason(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, status: int, expected: str
) -> None:
    optimizer = SimpleNamespace(optimize=lambda *_, **__: (status, ""))
    monkeypatch.setitem(sys.modules, "mo", optimizer)
    with pytest.raises(ArtifactError, match=rf"mo\.optimize: .*{expected}"):
        AwscamEngine(artifact, on_gpu=True)


@pytest.mark.usefixtures("device")
def test_a_device_without_an_optimizer_accepts_only_packed_and_verified_files(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mo", None)
    (tmp_path / "frozen_model.xml").write_text("{}")
    with pytest.raises(EngineError, match=r"requires the model optimizer \(mo\)"):
        AwscamEngine(replace(artifact, directory=tmp_path), on_gpu=True)
    files = {**artifact.manifest.files, "frozen_model.xml": "ab", "frozen_model.bin": "cd"}
    (tmp_path / "frozen_model.xml").write_text('{"broken": true}')
    packed = replace(artifact, directory=tmp_path, manifest=replace(artifact.manifest, files=files))
    with pytest.raises(ArtifactError, match="awscam cannot load it: Failed to load the network"):
        AwscamEngine(packed, on_gpu=True)


def test_an_open_input_size_is_rejected_by_the_engine_of_the_device(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "awscam", SimpleNamespace())
    anything = replace(artifact.manifest.input, width_px=None, height_px=None)
    open_size = replace(artifact, manifest=replace(artifact.manifest, input=anything))
    with pytest.raises(ArtifactError, match="freeze the model for one size"):
        AwscamEngine(open_size, on_gpu=True)


def test_on_other_machines_the_error_names_the_deeplens(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "awscam", None)
    with pytest.raises(EngineError, match="only an AWS DeepLens has the engine"):
        AwscamEngine(artifact, on_gpu=True)


@pytest.mark.usefixtures("device")
def test_the_default_engine_is_the_installed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert default_engine() == "openvino"
    modules = {"awscam": object()}
    monkeypatch.setattr("importlib.util.find_spec", modules.get)
    assert default_engine() == "awscam"
    modules.clear()
    assert default_engine() == "openvino"
