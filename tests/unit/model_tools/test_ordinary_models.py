"""Models that are saved in usual ways can be frozen, and return their framework's outputs."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from model_tools.errors import AmbiguousError, FreezeError, RefusedError, SourceError
from model_tools.formats.detect import find_model
from model_tools.formats.signatures import Choice
from model_tools.freezing.freeze import FreezeOptions, freeze
from model_tools.freezing.parity import graph_runner
from model_tools.freezing.target_runtime import TargetRuntime
from model_tools.graph.messages import message_class
from model_tools.inspection import inspect_model
from model_tools.serving.engines import load_engine
from model_tools.serving.signatures import read_servable

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def ordinary() -> Iterator[Any]:
    """The module `ordinary`, which builds models; its import loads Keras."""
    import warnings  # noqa: PLC0415 - the filter must exist before TensorFlow's import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tests.unit.model_tools import ordinary  # noqa: PLC0415 - the import loads TensorFlow

        yield ordinary


def frozen_answers(
    path: Path, choice: Choice | None = None, consumer: TargetRuntime = TargetRuntime.TENSORFLOW
) -> dict[str, Any]:
    """Freeze a model in this process; return the graph's outputs for the images."""
    from tests.unit.model_tools.ordinary import pictures  # noqa: PLC0415 - the import loads TensorFlow

    model = find_model(path, path.parent).load(choice or Choice())
    frozen = freeze(model, FreezeOptions(target=consumer))
    graph = message_class("GraphDef").FromString(frozen.graph)
    (alias,) = frozen.inputs
    side = (frozen.inputs[alias].shape or ())[1]
    given = np.resize(pictures(), (4, side, side, 3))
    return graph_runner(graph, frozen.inputs, frozen.outputs)({alias: given})


def assert_equal(outputs: dict[str, Any], expected: dict[str, Any]) -> None:
    for key, answer in expected.items():
        given = outputs[key] if key else next(iter(outputs.values()))
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


def test_grouped_convolutions_freeze(ordinary: Any, tmp_path: Path) -> None:
    saved = ordinary.saved(ordinary.grouped(), tmp_path / "model.keras")
    assert_equal(frozen_answers(saved.path), saved.answers)


def test_functions_that_xla_compiles_are_refused_with_the_way_round(
    ordinary: Any, tmp_path: Path
) -> None:
    saved = ordinary.exported(ordinary.grouped(), tmp_path / "exported")
    with pytest.raises(SourceError, match=r"grouped convolutions.*model\.save\('model\.keras'\)"):
        frozen_answers(saved.path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV3Small"])
def test_networks_of_keras_applications_freeze(ordinary: Any, name: str, tmp_path: Path) -> None:
    model = ordinary.network(getattr(ordinary.keras.applications, name))
    saved = ordinary.saved(model, tmp_path / "model.keras")
    assert_equal(frozen_answers(saved.path), saved.answers)


def test_keras_3_cannot_read_arithmetic_from_h5_and_the_error_names_the_alternative(
    ordinary: Any, tmp_path: Path
) -> None:
    saved = ordinary.saved(ordinary.arithmetic(), tmp_path / "model.h5")
    with pytest.raises(SourceError, match=r"model\.save\('model\.keras'\)"):
        find_model(saved.path, tmp_path).load(Choice())


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_layers_that_declare_more_weights_than_the_file_has_are_never_built(
    ordinary: Any, tmp_path: Path, suffix: str
) -> None:
    keras = ordinary.keras
    model = keras.Sequential([keras.Input((6400,)), keras.layers.Dense(4)])
    file = tmp_path / f"model{suffix}"
    model.save(file)
    if suffix == ".h5":
        with h5py.File(file, "r+") as opened:
            config = opened.attrs["model_config"].replace('"units": 4', '"units": 25600')
            opened.attrs["model_config"] = config
    else:
        with zipfile.ZipFile(file) as packed:
            members = {name: packed.read(name) for name in packed.namelist()}
        config = members["config.json"].replace(b'"units": 4', b'"units": 25600')
        with zipfile.ZipFile(file, "w") as packed:
            for name, content in (members | {"config.json": config}).items():
                packed.writestr(name, content)
    # A kernel of 6,400 x 25,600 values and its bias have four bytes per value.
    with pytest.raises(RefusedError, match=r"keras-weights: .* declare 655462400 bytes"):
        find_model(file, tmp_path).load(Choice())


def test_a_model_without_an_input_shape_is_rejected_with_the_fix(
    ordinary: Any, tmp_path: Path
) -> None:
    model = ordinary.keras.Sequential([ordinary.layers.Dense(2)])
    model.save(tmp_path / "model.keras")
    with pytest.raises(SourceError, match=r"begin it with keras\.Input"):
        find_model(tmp_path / "model.keras", tmp_path).load(Choice())


def test_a_teachable_machine_of_keras_2_freezes_as_keras_answers(
    ordinary: Any, tmp_path: Path
) -> None:
    saved = ordinary.saved(ordinary.teachable(), tmp_path / "keras_model.h5")
    ordinary.as_keras_2(saved.path)
    assert_equal(frozen_answers(saved.path), saved.answers)
    with pytest.raises(TypeError, match="Unrecognized keyword arguments"):
        ordinary.keras.models.load_model(saved.path)


def test_a_keras_2_layer_that_keras_3_cannot_build_is_rejected_with_the_alternative(
    ordinary: Any, tmp_path: Path
) -> None:
    saved = ordinary.saved(ordinary.teachable(), tmp_path / "keras_model.h5")
    ordinary.as_keras_2(saved.path)
    with ordinary.h5py.File(saved.path, "r+") as opened:
        config = opened.attrs["model_config"].replace("math.truediv", "nn.l2_loss")
        opened.attrs["model_config"] = config.encode()
    with pytest.raises(RefusedError, match=r"keras-2: .*tf\.saved_model\.save"):
        find_model(saved.path, tmp_path).load(Choice())


def test_output_chooses_keys_of_a_keras_file(ordinary: Any, tmp_path: Path) -> None:
    saved = ordinary.saved(ordinary.two_outputs(), tmp_path / "model.keras")
    outputs = frozen_answers(saved.path, Choice(outputs=("scores",)))
    assert outputs.keys() == {"scores"}
    assert_equal(outputs, {"scores": saved.answers["scores"]})
    with pytest.raises(
        SourceError, match=r"^there is no output 'score'; --output takes: scores, size$"
    ):
        frozen_answers(saved.path, Choice(outputs=("score",)))


def test_each_output_of_a_layer_that_is_used_twice_has_a_name(
    ordinary: Any, tmp_path: Path
) -> None:
    keras = ordinary.keras
    image = keras.Input((8, 8, 3), name="image")
    flat, scores = keras.layers.Flatten()(image), keras.layers.Dense(2, name="scores")
    model = keras.Model(image, [scores(flat), scores(flat * 2.0)])
    model.save(tmp_path / "twice.keras")
    sample = np.random.default_rng(5).random((2, 8, 8, 3), dtype=np.float32)
    first, second = model.predict(sample, verbose=0)
    loaded = find_model(tmp_path / "twice.keras", tmp_path).load(Choice())
    assert_equal(loaded.run({"image": sample}), {"scores": first, "scores_1": second})


def test_nested_outputs_have_the_names_of_their_layers(ordinary: Any, tmp_path: Path) -> None:
    keras = ordinary.keras
    image = keras.Input((8, 8, 3), name="image")
    flat = keras.layers.Flatten()(image)
    first, second, third = (
        keras.layers.Dense(2, name=name)(flat) for name in ("one", "two", "three")
    )
    model = keras.Model(image, {"z": first, "a": [second, third]})
    model.save(tmp_path / "nested.keras")
    sample = np.random.default_rng(5).random((2, 8, 8, 3), dtype=np.float32)
    answer = model.predict(sample, verbose=0)
    loaded = find_model(tmp_path / "nested.keras", tmp_path).load(Choice())
    expected = {"one": answer["z"], "two": answer["a"][0], "three": answer["a"][1]}
    assert_equal(loaded.run({"image": sample}), expected)


def test_a_name_that_tensorflow_cannot_have_is_the_reason(ordinary: Any, tmp_path: Path) -> None:
    keras = ordinary.keras
    image = keras.Input((8, 8, 3))
    scores = keras.layers.Dense(2)(keras.layers.Flatten()(image))
    keras.Model(image, scores, name="my model").save(tmp_path / "name.keras")
    with pytest.raises(SourceError, match="'my model' is not a valid name for TensorFlow"):
        find_model(tmp_path / "name.keras", tmp_path).load(Choice())


def test_a_saved_model_with_slots_is_frozen_and_served(ordinary: Any, tmp_path: Path) -> None:
    saved = ordinary.with_slots(tmp_path / "1")
    with pytest.raises(AttributeError, match="'_UserObject' object has no attribute 'add_slot'"):
        ordinary.tf.saved_model.load(str(saved.path))
    assert_equal(frozen_answers(saved.path), saved.answers)
    served = load_engine("tensorflow", read_servable(saved.path))
    assert_equal(served.run("serving_default", {"image": ordinary.pictures()}), saved.answers)


def test_output_chooses_keys_of_a_signature(ordinary: Any, tmp_path: Path) -> None:
    saved = ordinary.with_slots(tmp_path / "model")
    outputs = frozen_answers(saved.path, Choice(outputs=("chances=scores",)))
    assert outputs.keys() == {"chances"}
    assert_equal(outputs, {"chances": saved.answers["scores"]})
    with pytest.raises(SourceError, match="no output 'b'; --output takes: scores, size"):
        frozen_answers(saved.path, Choice(outputs=("b",)))


def test_an_assignment_that_no_answer_needs_is_cut(ordinary: Any, tmp_path: Path) -> None:
    saved = ordinary.with_state(tmp_path / "1")
    assert_equal(frozen_answers(saved.path), saved.answers)
    served = load_engine("tensorflow", read_servable(saved.path))
    assert_equal(served.run("serving_default", {"image": ordinary.pictures()}), saved.answers)


def test_an_assignment_that_the_answer_needs_is_not(ordinary: Any, tmp_path: Path) -> None:
    saved = ordinary.with_state(tmp_path / "1", used=True)
    with pytest.raises(RefusedError, match="op-allowed: the model needs AssignAddVariableOp"):
        frozen_answers(saved.path)
    with pytest.raises(RefusedError, match="op-allowed"):
        read_servable(saved.path)


def test_an_export_that_augments_at_random_is_rejected_with_the_statements(
    ordinary: Any, tmp_path: Path
) -> None:
    """An export that augments at random is rejected with the correct statements.

    Keras 3 exports augmentation layers in training mode.
    """
    model = ordinary.sequential(augmented=True)
    model.export(tmp_path / "random", verbose=False)
    with pytest.raises(RefusedError, match=r"keras\.Model\(i, model\(i, training=False\)\)"):
        frozen_answers(tmp_path / "random")
    start = ordinary.keras.Input((ordinary.SIDE_PX, ordinary.SIDE_PX, 3))
    inference = ordinary.keras.Model(start, model(start, training=False))
    inference.export(tmp_path / "2", verbose=False)
    expected = ordinary.answers(model)
    assert_equal(frozen_answers(tmp_path / "2"), expected)
    servable = read_servable(tmp_path / "2")
    (alias,) = servable.signatures["serving_default"].inputs
    served = load_engine("tensorflow", servable)
    assert_equal(served.run("serving_default", {alias: ordinary.pictures()}), expected)


def test_strings_are_no_input_of_a_camera(ordinary: Any, tmp_path: Path) -> None:
    files = find_model(ordinary.with_bytes(tmp_path / "model"), tmp_path)
    with pytest.raises(
        SourceError, match=r"image_bytes takes strings; a camera gives images: .*--signature camera"
    ):
        files.load(Choice())
    assert list(files.load(Choice(signature="camera")).inputs) == ["image"]


def test_without_a_signature_the_way_to_save_one_is_named(ordinary: Any, tmp_path: Path) -> None:
    files = find_model(ordinary.without_signature(tmp_path / "model"), tmp_path)
    with pytest.raises(SourceError, match=r"no signature, .*model\.export\(folder\)"):
        files.load(Choice())


def test_a_training_graph_with_an_empty_prefix_shows_its_answers(
    ordinary: Any, tmp_path: Path
) -> None:
    saved = ordinary.training_checkpoint(tmp_path / "train")
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for given in (saved.path, saved.path / ".meta", saved.path / ".index"):
        files = find_model(given, workspace)
        with pytest.raises(AmbiguousError, match=r"candidates: loss, scores$"):
            files.load(Choice())
        model = files.load(Choice(outputs=("scores",)))
        assert_equal(model.run({"image": ordinary.pictures()}), saved.answers)


def test_a_vector_and_a_list_of_one_are_set(ordinary: Any, tmp_path: Path) -> None:
    saved = ordinary.with_thresholds(tmp_path / "model.pb")
    values = (("thresholds", (0.6, 0.7, 0.8)), ("factor", (0.5,)))
    choice = Choice(inputs=("image",), outputs=("scores",), constants=values)
    assert_equal(frozen_answers(saved.path, choice), saved.answers)
    wrong = Choice(constants=(("thresholds", (0.6,)),))
    with pytest.raises(
        SourceError,
        match=r"has the shape \[3\]: expected --set thresholds=0,0,0; got 1 value$",
    ):
        frozen_answers(saved.path, wrong)
    unset = Choice(inputs=("image",), outputs=("scores",))
    with pytest.raises(AmbiguousError, match="--set thresholds=0,0,0 --set factor=0"):
        frozen_answers(saved.path, unset)


def test_bfloat16_becomes_float32_that_openvino_reads(ordinary: Any, tmp_path: Path) -> None:
    saved = ordinary.in_bfloat16(tmp_path / "model.keras")
    outputs = frozen_answers(saved.path, consumer=TargetRuntime.OPENVINO)
    (answer,) = outputs.values()
    assert answer.dtype == np.float32
    np.testing.assert_allclose(answer, saved.answers[""], atol=0.02)


def test_an_op_that_openvino_does_not_know_is_named(ordinary: Any, tmp_path: Path) -> None:
    file = ordinary.fused(tmp_path / "model.pb")
    with pytest.raises(FreezeError, match=r"_FusedConv2D; .*inference\.engine = \"tensorflow\""):
        frozen_answers(file, consumer=TargetRuntime.OPENVINO)
    inspection = inspect_model(file, Choice())
    assert "_FusedConv2D" in str(inspection.consumers["openvino"])
    assert inspection.consumers["tensorflow"] is None
