"""The engines of cameras run the committed model and small graphs."""

import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.graph.messages import message_class
from model_tools.samples.shapes.drawing import LABELS, draw_image
from shared.artifact.archive import Artifact
from shared.artifact.errors import ArtifactError, ScoresError
from shared.artifact.manifest import InputSpec
from shared.vision import postprocessing
from shared.vision.engine import ENGINES, InferenceEngine, open_engine
from shared.vision.graph_loader import open_runtime
from shared.vision.preprocessing import prepare
from shared.vision.resizing import tf1_bilinear
from testkit.pinned import pinned_artifact

ARTIFACT = pinned_artifact()
FLOAT = 1

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def engines(shapes: Artifact) -> dict[str, InferenceEngine]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: open_engine(name, shapes, threads=1) for name in ENGINES}


@pytest.mark.parametrize("name", ENGINES)
def test_the_committed_model_names_the_shapes_of_new_pictures(
    engines: dict[str, InferenceEngine], name: str
) -> None:
    random = np.random.default_rng(20_261_121)
    right = 0
    for _ in range(25):
        picture, drawn = draw_image(random, 512, 384)
        found = [one for one in engines[name].infer(picture) if one.score >= 0.5]
        right += sorted(one.label for one in found) == sorted(LABELS[one.kind] for one in drawn)
        assert all(one.box and 0 <= one.box.ymin <= one.box.ymax <= 1 for one in found)
    assert right >= 20


def test_engines_agree_on_every_number(engines: dict[str, InferenceEngine]) -> None:
    random = np.random.default_rng(7)
    for _ in range(5):
        picture, _ = draw_image(random, 300, 200)
        first, second = (
            [one for one in engines[name].infer(picture) if one.score >= 0.3] for name in ENGINES
        )
        assert [one.label for one in first] == [one.label for one in second]
        for one, other in zip(first, second, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-4)
            assert one.box is not None
            assert other.box is not None
            assert one.box.ymin == pytest.approx(other.box.ymin, abs=1e-4)


@pytest.mark.parametrize("name", ENGINES)
def test_a_file_that_is_no_graph_is_an_artifact_error(
    shapes: Artifact, name: str, tmp_path: Path
) -> None:
    (tmp_path / shapes.manifest.graph).write_bytes(b"\xff" * 100)
    with pytest.raises(ArtifactError, match="frozen_model"):
        open_engine(name, replace(shapes, directory=tmp_path))


@pytest.mark.parametrize("name", ENGINES)
def test_a_tensor_that_is_not_there_is_an_artifact_error(shapes: Artifact, name: str) -> None:
    with pytest.raises(ArtifactError, match="frozen_model"):
        open_runtime(name, shapes.graph_file, ("nothing:0",))


@pytest.mark.parametrize(
    ("name", "precision", "expected"),
    [
        ("onnx", "f32", "engine 'onnx': expected openvino or tensorflow"),
        ("openvino", "int8", "precision 'int8': expected f32 or bf16"),
        ("tensorflow", "bf16", "'openvino' supports bf16"),
    ],
)
def test_what_no_engine_can_do_says_what_would_work(
    shapes: Artifact, name: str, precision: str, expected: str
) -> None:
    with pytest.raises(ValueError, match=expected):
        open_runtime(name, shapes.graph_file, (), precision=precision)


def test_a_compiled_model_is_kept_for_the_next_start(shapes: Artifact, tmp_path: Path) -> None:
    open_engine("openvino", shapes, cache=tmp_path / "cache")
    kept = list((tmp_path / "cache").iterdir())
    assert kept
    open_engine("openvino", shapes, cache=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == kept


def test_openvino_reports_to_nobody(shapes: Artifact) -> None:
    script = (
        "import sys, pathlib\n"
        "from shared.vision.graph_loader import open_runtime\n"
        "open_runtime('openvino', pathlib.Path(sys.argv[1]), ())\n"
        "assert 'openvino' in sys.modules\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
        "from openvino.tools.ovc import telemetry_utils\n"
        "assert telemetry_utils.tm.__name__.endswith('telemetry_stub')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(shapes.graph_file)], check=True)


def test_a_classifier_says_its_classes_best_first() -> None:
    labels = {1: "left", 2: "right", 3: "up"}
    found = postprocessing.classes(np.array([[0.1, 0.7, 0.2]], np.float32), "softmax", labels)
    assert [(one.label, round(one.score, 3), one.box) for one in found] == [
        ("right", 0.7, None),
        ("up", 0.2, None),
        ("left", 0.1, None),
    ]


def test_logits_become_probabilities() -> None:
    found = postprocessing.classes(
        np.array([[1000.0, 1000.0]], np.float32), "none", {1: "a", 2: "b"}
    )
    assert [one.score for one in found] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("value", "activation", "positive"),
    [(0.8, "sigmoid", 0.8), (0.0, "sigmoid-logits", 0.5), (-1000.0, "sigmoid-logits", 0.0)],
)
def test_one_score_of_two_labels_is_that_of_the_second(
    value: float, activation: str, positive: float
) -> None:
    labels = {1: "negative", 2: "positive"}
    for shape in ((1, 1), (1, 1, 1, 1)):
        scores = np.full(shape, value, np.float32)
        found = {one.label: one.score for one in postprocessing.classes(scores, activation, labels)}
        assert found == pytest.approx({"negative": 1 - positive, "positive": positive})
        (only,) = postprocessing.classes(scores, activation, {1: "smoke"})
        assert (only.label, only.score) == ("smoke", pytest.approx(positive))


@pytest.mark.parametrize(
    ("values", "activation"),
    [
        ([37.0, 2.0], "sigmoid"),
        ([-0.5, 0.5], "sigmoid"),
        ([0.9, 0.9], "softmax"),
        ([0.0, 0.0], "softmax"),
        ([float("nan"), 0.5], "sigmoid"),
        ([3.0], "none"),
    ],
)
def test_scores_that_are_none_are_an_error(values: list[float], activation: str) -> None:
    with pytest.raises(ScoresError, match="package the model again"):
        postprocessing.classes(np.array([values], np.float32), activation, {1: "a", 2: "b"})


PICTURE_INPUT = InputSpec(
    name="x:0", dtype="float32", layout="NHWC", width_px=2, height_px=1, channel_order="RGB",
    resize="bilinear", mean=(0, 0, 0), scale=(1, 1, 1),
)  # fmt: skip
PICTURE = np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [[[[10, 20, 30], [40, 50, 60]]]]),
        ({"channel_order": "BGR"}, [[[[30, 20, 10], [60, 50, 40]]]]),
        ({"mean": (10, 20, 30), "scale": (1, 2, 3)}, [[[[0, 0, 0], [30, 60, 90]]]]),
        ({"layout": "NCHW"}, [[[[10, 40]], [[20, 50]], [[30, 60]]]]),
        ({"width_px": None, "height_px": None}, [[[[10, 20, 30], [40, 50, 60]]]]),
        ({"width_px": 1, "resize": "tf1-bilinear"}, [[[[10, 20, 30]]]]),
        ({"width_px": 1}, [[[[25, 35, 45]]]]),
        ({"width_px": 4, "resize": "tf1-bilinear", "dtype": "uint8"},
         [[[[10, 20, 30], [25, 35, 45], [40, 50, 60], [40, 50, 60]]]]),
    ],
)  # fmt: skip
def test_a_picture_is_prepared_as_the_manifest_says(
    changes: dict[str, Any], expected: list[Any]
) -> None:
    prepared = prepare(PICTURE, replace(PICTURE_INPUT, **changes))
    np.testing.assert_allclose(prepared, np.array(expected))
    assert prepared.dtype == np.dtype(changes.get("dtype", "float32"))
    assert prepared.flags["C_CONTIGUOUS"]


def test_tf1_bilinear_is_tensorflows() -> None:
    import tensorflow as tf  # noqa: PLC0415 - the import takes seconds

    random = np.random.default_rng(0)
    for height, width, to_height, to_width in (
        (37, 53, 300, 300),
        (480, 640, 300, 300),
        (9, 9, 4, 7),
    ):
        picture = random.integers(0, 256, (height, width, 3), np.uint8)
        wanted = tf.compat.v1.image.resize_bilinear(
            picture[np.newaxis].astype(np.float32), (to_height, to_width)
        )
        np.testing.assert_allclose(
            tf1_bilinear(picture, to_height, to_width), wanted[0].numpy(), atol=1e-4
        )


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_tf1_bilinear_invents_no_values(height: int, width: int, to_h: int, to_w: int) -> None:
    picture = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    resized = tf1_bilinear(picture, to_h, to_w)
    assert resized.shape == (to_h, to_w, 3)
    assert resized.min() >= picture.min() - 1e-3
    assert resized.max() <= picture.max() + 1e-3


@pytest.mark.parametrize("name", ENGINES)
def test_a_runtime_answers_by_tensor_name(name: str, tmp_path: Path) -> None:
    graph = message_class("GraphDef")()
    x = graph.node.add(name="x", op="Placeholder")
    x.attr["dtype"].type = FLOAT
    x.attr["shape"].shape.dim.add(size=2)
    for output in ("b", "a"):
        graph.node.add(name=output, op="Neg" if output == "a" else "Square", input=["x"]).attr[
            "T"
        ].type = FLOAT
    file = tmp_path / "two.pb"
    file.write_bytes(graph.SerializeToString())
    runtime = open_runtime(name, file, ("a:0", "b:0"))
    answer = runtime.run({"x:0": np.array([2, 3], np.float32)})
    assert answer["a:0"].tolist() == [-2, -3]
    assert answer["b:0"].tolist() == [4, 9]
    with pytest.raises(ArtifactError, match="does not accept this input"):
        runtime.run({"y:0": np.array([2, 3], np.float32)})
