"""What people really have gets in, and answers as its framework does."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_tools.errors import RefusedError, SourceError
from model_tools.freezing.freeze import freeze
from model_tools.freezing.parity import graph_runner
from model_tools.protos import message_class
from model_tools.sources.files import find_model
from model_tools.sources.load import load_model
from model_tools.sources.selection import Choice

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def ordinary() -> Iterator[Any]:
    """The module that builds models: it imports Keras."""
    import warnings  # noqa: PLC0415 - TensorFlow warns while it is imported

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.unit.model_tools import ordinary  # noqa: PLC0415 - imports TensorFlow

        yield ordinary


def frozen_answers(path: Path, choice: Choice | None = None) -> dict[str, Any]:
    """Freeze in this process, and run the frozen graph on the pictures."""
    from tests.unit.model_tools.ordinary import pictures  # noqa: PLC0415 - imports TensorFlow

    frozen = freeze(load_model(find_model(path, path.parent), choice or Choice()))
    graph = message_class("GraphDef").FromString(frozen.graph)
    (alias,) = frozen.inputs
    side = (frozen.inputs[alias].shape or ())[1]
    given = np.resize(pictures(), (4, side, side, 3))
    return graph_runner(graph, frozen.inputs, frozen.outputs)({alias: given})


def assert_equal(found: dict[str, Any], expected: dict[str, Any]) -> None:
    for key, answer in expected.items():
        given = found[key] if key else next(iter(found.values()))
        np.testing.assert_allclose(given, answer, atol=2e-5)


KERAS_MODELS: dict[str, Callable[[Any], Any]] = {
    "functional": lambda build: build.functional(),
    "sequential": lambda build: build.sequential(),
    "sequential with augmentation": lambda build: build.sequential(augmented=True),
    "sequential without an Input": lambda build: build.sequential(lazy=True),
    "a compiled network in a network": lambda build: build.nested(),
}


@pytest.mark.parametrize("kind", KERAS_MODELS)
def test_a_trained_keras_model_freezes_as_keras_answers(
    ordinary: Any, kind: str, tmp_path: Path
) -> None:
    model = KERAS_MODELS[kind](ordinary)
    for suffix in (".keras", ".h5"):
        saved = ordinary.saved(model, tmp_path / f"model{suffix}")
        assert_equal(frozen_answers(saved.path), saved.answers)


def test_arithmetic_on_tensors_is_keras_own(ordinary: Any, tmp_path: Path) -> None:
    saved = ordinary.saved(ordinary.arithmetic(), tmp_path / "model.keras")
    assert_equal(frozen_answers(saved.path), saved.answers)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV3Small"])
def test_networks_of_keras_applications_freeze(ordinary: Any, name: str, tmp_path: Path) -> None:
    model = ordinary.network(getattr(ordinary.keras.applications, name))
    saved = ordinary.saved(model, tmp_path / "model.keras")
    assert_equal(frozen_answers(saved.path), saved.answers)


def test_keras_3_cannot_read_arithmetic_from_h5_and_the_way_round_is_named(
    ordinary: Any, tmp_path: Path
) -> None:
    saved = ordinary.saved(ordinary.arithmetic(), tmp_path / "model.h5")
    with pytest.raises(SourceError, match=r"model\.save\('model\.keras'\)"):
        load_model(find_model(saved.path, tmp_path), Choice())


def test_a_model_without_an_input_shape_says_what_it_needs(ordinary: Any, tmp_path: Path) -> None:
    model = ordinary.keras.Sequential([ordinary.layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(SourceError, match=r"begin it with keras\.Input"):
        load_model(find_model(tmp_path / "model.keras", tmp_path), Choice())


def test_a_teachable_machine_of_keras_2_freezes_as_keras_answers(
    ordinary: Any, tmp_path: Path
) -> None:
    saved = ordinary.saved(ordinary.teachable(), tmp_path / "keras_model.h5")
    ordinary.as_keras_2(saved.path)
    with pytest.raises(TypeError, match="Unrecognized keyword arguments"):
        ordinary.keras.models.load_model(saved.path)
    assert_equal(frozen_answers(saved.path), saved.answers)


def test_what_keras_3_cannot_build_of_keras_2_names_the_way_round(
    ordinary: Any, tmp_path: Path
) -> None:
    saved = ordinary.saved(ordinary.teachable(), tmp_path / "keras_model.h5")
    ordinary.as_keras_2(saved.path)
    with ordinary.h5py.File(saved.path, "r+") as opened:
        config = opened.attrs["model_config"].replace("math.truediv", "nn.l2_loss")
        opened.attrs["model_config"] = config.encode()
    with pytest.raises(RefusedError, match=r"keras-2: .*tf\.saved_model\.save"):
        load_model(find_model(saved.path, tmp_path), Choice())


def test_output_chooses_keys_of_a_keras_file(ordinary: Any, tmp_path: Path) -> None:
    saved = ordinary.saved(ordinary.two_outputs(), tmp_path / "model.keras")
    found = frozen_answers(saved.path, Choice(outputs=("scores",)))
    assert found.keys() == {"scores"}
    assert_equal(found, {"scores": saved.answers["scores"]})
    with pytest.raises(SourceError, match="no output 'score'; --output takes: scores, size"):
        frozen_answers(saved.path, Choice(outputs=("score",)))
