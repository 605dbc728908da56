"""The committed model, run by the engine that cameras have."""

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from model_tools.shapes.drawing import LABELS, draw_picture
from vision.artifact import open_artifact
from vision.engine import TensorFlowEngine
from vision.errors import ArtifactError

(ARTIFACT,) = (Path(__file__).parents[3] / "models/shapes").glob("*/model.zip")

pytestmark = pytest.mark.filterwarnings("ignore:.*np.object.*:FutureWarning")


def load(folder: Path) -> TensorFlowEngine:
    with zipfile.ZipFile(ARTIFACT) as archive:
        archive.extractall(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TensorFlowEngine(open_artifact(ARTIFACT, folder, ARTIFACT.parent.name))


def test_the_committed_model_names_the_shapes_of_new_pictures(tmp_path: Path) -> None:
    engine = load(tmp_path)
    random = np.random.default_rng(20_261_121)
    right = pictures = 0
    for _ in range(25):
        picture, shapes = draw_picture(random, 512, 384)
        found = [one for one in engine.infer(picture) if one.score >= 0.5]
        pictures += 1
        right += sorted(one.label for one in found) == sorted(LABELS[one.kind] for one in shapes)
        assert all(0 <= one.box.ymin <= one.box.ymax <= 1 for one in found)
    assert right / pictures >= 0.8


def test_a_file_that_is_no_graph_is_an_artifact_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(ARTIFACT) as archive:
        archive.extractall(tmp_path)
    artifact = open_artifact(ARTIFACT, tmp_path, ARTIFACT.parent.name)
    artifact.graph_file.write_bytes(b"\xff" * 100)
    with pytest.raises(ArtifactError, match="frozen_model"):
        TensorFlowEngine(artifact)
