"""The predictor returns the same outputs with and without acceleration."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_tools.elastic_inference import Predictor
from model_tools.errors import AmbiguousError, SourceError
from model_tools.graph.messages import message_class

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]

PICTURES = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_TOOLS_CACHE", str(tmp_path_factory.getbasetemp() / "predictor"))


@pytest.mark.parametrize(
    ("model", "feed", "fetch"),
    [
        ("saved_model_1", "pixels", "probabilities"),
        ("saved_model_1_resource_variables", "pixels", "probabilities"),
        ("saved_model_2", "image", "output_0"),
        ("frozen", "image", "softmax_tensor"),
    ],
)
def test_accelerated_and_plain_answer_the_same(
    trained_models: dict[str, Path], model: str, feed: str, fetch: str
) -> None:
    fast = Predictor(trained_models[model])
    plain = Predictor(trained_models[model], accelerate=False)
    assert fast.feed_tensors.keys() == plain.feed_tensors.keys() == {feed}
    assert fast.fetch_tensors.keys() == plain.fetch_tensors.keys() == {fetch}
    np.testing.assert_allclose(
        fast({feed: PICTURES})[fetch], plain({feed: PICTURES})[fetch], atol=1e-5
    )


def test_names_may_stand_for_a_signature(trained_models: dict[str, Path]) -> None:
    names: dict[str, Any] = {
        "input_names": {"x": "image:0"},
        "output_names": {"y": "net/pool:0"},
    }
    answers = [
        Predictor(trained_models["saved_model_1"], accelerate=accelerate, **names)({"x": PICTURES})
        for accelerate in (True, False)
    ]
    assert answers[0]["y"].shape == (1, 16)
    np.testing.assert_allclose(answers[0]["y"], answers[1]["y"], atol=1e-5)


def test_a_signature_of_ones_own_may_be_given(trained_models: dict[str, Path]) -> None:
    meta = message_class("MetaGraphDef")()
    signature = meta.signature_def["mine"]
    signature.inputs["a"].name = "image:0"
    signature.outputs["b"].name = "softmax_tensor:0"
    predictor = Predictor(trained_models["saved_model_1"], signature_def=signature)
    assert predictor.fetch_tensors == {"b": "softmax_tensor:0"}
    assert predictor({"a": PICTURES.tolist()})["b"].sum() == pytest.approx(1)


@pytest.mark.parametrize("accelerate", [True, False])
@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        ({}, r"expected \w+ = image:0 float32"),
        ({"image": PICTURES}, "the inputs image do not match"),
        ({"pixels": PICTURES[0]}, r"\[16, 16, 3\] is not a valid shape"),
        ({"pixels": PICTURES[:, :8]}, r"\[1, 8, 16, 3\] is not a valid shape"),
        ({"pixels": np.full((1, 16, 16, 3), "x")}, "type of pixels: expected image:0 float32"),
    ],
)
def test_the_error_of_a_wrong_feed_contains_the_models_inputs(
    trained_models: dict[str, Path], *, accelerate: bool, feed: dict[str, Any], expected: str
) -> None:
    predictor = Predictor(trained_models["saved_model_1"], accelerate=accelerate)
    with pytest.raises(SourceError, match=expected):
        predictor(feed)


@pytest.mark.parametrize(
    ("arguments", "error", "expected"),
    [
        ({"signature_def_key": "predict"}, SourceError, "expected one of: serving_default"),
        ({"tags": "train"}, SourceError, "available: serve"),
        ({"input_names": {"x": "image:0"}}, ValueError, "give both or none"),
        (
            {"signature_def_key": "a", "input_names": {}, "output_names": {}},
            ValueError,
            "give one of",
        ),
    ],
)
def test_wrong_arguments_are_one_error(
    trained_models: dict[str, Path],
    arguments: dict[str, Any],
    error: type[Exception],
    expected: str,
) -> None:
    for accelerate in (True, False):
        with pytest.raises(error, match=expected):
            Predictor(trained_models["saved_model_1"], accelerate=accelerate, **arguments)


def test_a_path_without_a_model_is_one_error(tmp_path: Path) -> None:
    with pytest.raises((SourceError, AmbiguousError), match="does not contain a model"):
        Predictor(tmp_path)


def test_accelerated_tensorflow_is_not_imported(trained_models: dict[str, Path]) -> None:
    script = (
        "import sys, numpy\n"
        "from model_tools.elastic_inference import Predictor\n"
        "predictor = Predictor(sys.argv[1])\n"
        "predictor({'pixels': numpy.zeros((1, 16, 16, 3), numpy.float32)})\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, trained_models["saved_model_1"]], check=True)
