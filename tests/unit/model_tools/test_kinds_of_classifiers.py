"""Usual types of classifiers are packaged correctly, or rejected with advice.

Every network was trained for a few steps, and is compared with Keras' outputs.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from shared.artifact.errors import ArtifactError
from shared.vision.graph_loader import open_runtime
from tests.unit.model_tools.conftest import run

pytestmark = [pytest.mark.process, pytest.mark.filterwarnings("ignore")]

SIDE_PX = 8
SCALE = "0.00392156863"
ENGINES = ("openvino", "tensorflow")


class Trained(NamedTuple):
    """A SavedModel, its frozen graph, and Keras' outputs for `pixels`."""

    source: Path
    frozen: Path
    answers: Any


def pixels() -> Any:
    """Return six images of type uint8 and shape (SIDE_PX, SIDE_PX, 3), from dark to bright."""
    random = np.random.default_rng(5)
    shape = (SIDE_PX, SIDE_PX, 3)
    levels = (20, 60, 100, 160, 200, 250)
    return np.stack([random.integers(level // 2, level, shape, np.uint8) for level in levels])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for number, image in enumerate(pixels()):
        Image.fromarray(image).save(folder / f"{number}.png")
    return folder


def _head(keras: Any, kind: str, x: Any) -> tuple[Any, Any]:
    """Apply a network's last layers to `x`; return the outputs and the loss function."""
    layers, losses = keras.layers, keras.losses
    if kind == "fully_convolutional":
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        # TF-slim has outputs of shape (n, 1, 1, classes).
        x = layers.Conv2D(3, 1)(x)
        return layers.Softmax()(x), losses.SparseCategoricalCrossentropy()
    x = layers.GlobalAveragePooling2D()(x)
    if kind == "sigmoid":
        return layers.Dense(1, activation="sigmoid")(x), losses.BinaryCrossentropy()
    if kind == "logit":
        return layers.Dense(1)(x), losses.BinaryCrossentropy(from_logits=True)
    if kind == "tags":
        return layers.Dense(3)(x), losses.BinaryCrossentropy(from_logits=True)
    return layers.Dense(3)(x), losses.MeanSquaredError()


def _trained(kind: str, folder: Path) -> Trained:
    import keras  # noqa: PLC0415 - the import takes seconds

    keras.utils.set_random_seed(1)
    image = keras.Input((SIDE_PX, SIDE_PX, 3), name="image")
    x = keras.layers.Conv2D(4, 3, strides=2, activation="relu")(image)
    output, loss = _head(keras, kind, x)
    model = keras.Model(image, output)
    model.compile(keras.optimizers.Adam(0.05), loss=loss)
    given = pixels().astype(np.float32) / 255
    bright = np.array([0, 0, 0, 1, 1, 1])
    expected = {
        "fully_convolutional": bright.reshape(-1, 1, 1),
        "tags": np.stack([bright, 1 - bright, bright], axis=1),
        "regression": np.stack([bright * 40.0, bright - 9.0, bright * 3.0], axis=1),
    }.get(kind, bright)
    model.fit(given, expected, epochs=20, verbose=0)
    model.export(folder / "model", verbose=False)
    result = run("freeze", folder / "model", folder / "frozen")
    assert result.exit_code == 0, result.output
    answers = np.asarray(model.predict(given, verbose=0)).reshape(len(given), -1)
    return Trained(folder / "model", folder / "frozen", answers)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """A function that trains each kind of network once."""
    by_kind: dict[str, Trained] = {}

    def of(kind: str) -> Trained:
        if kind not in by_kind:
            by_kind[kind] = _trained(kind, tmp_path_factory.mktemp(kind))
        return by_kind[kind]

    return of


def package(frozen: Path, folder: Path, labels: str, *options: str) -> Result:
    """Package a frozen graph into `folder`; return the command's result."""
    file = folder / "labels.txt"
    file.write_text(labels)
    return run(
        "package", frozen, "--labels", file, "--name", "m", "--mean", 0, "--scale", SCALE,
        "--models", folder / "models", *options,
    )  # fmt: skip


def scores(artifact: Path, images: Path, engine: str) -> list[dict[str, float]]:
    """Return the scores of each image by label, as a camera's engine computes the scores."""
    result = run("predict", artifact, images, "--engine", engine, "--threshold", 0, "--json")
    assert result.exit_code == 0, result.output
    return [
        {detection["label"]: detection["score"] for detection in image["detections"]}
        for image in json.loads(result.stdout)
    ]


def only_artifact(folder: Path) -> Path:
    (artifact,) = (folder / "models").glob("m/*/model.zip")
    return artifact


def sigmoid(values: Any) -> Any:
    return 1 / (1 + np.exp(-values.astype(np.float64)))


@pytest.mark.parametrize(("kind", "options"), [
    ("sigmoid", []),
    ("sigmoid", ["--activation", "sigmoid"]),
    ("logit", ["--activation", "sigmoid-logits"]),
])  # fmt: skip
def test_a_binary_classifier_has_two_labels_or_one(
    trained: Callable[[str], Trained],
    images: Path,
    tmp_path: Path,
    kind: str,
    options: list[str],
) -> None:
    model = trained(kind)
    answers = model.answers[:, 0]
    positive = sigmoid(answers) if kind == "logit" else answers
    assert positive[0] < 0.5 < positive[-1], "it was trained"
    result = package(model.frozen, tmp_path, "negative\npositive\n", *options)
    assert result.exit_code == 0, result.output
    assert "image-classification, 2 labels" in result.output
    artifact = only_artifact(tmp_path)
    for engine in ENGINES:
        results = scores(artifact, images, engine)
        assert [image["positive"] for image in results] == pytest.approx(positive, abs=1e-5)
        assert [image["negative"] for image in results] == pytest.approx(1 - positive, abs=1e-5)
    expected = tmp_path / "expected.json"
    expected.write_text(json.dumps({"0.png": "negative", "5.png": "positive"}))
    verified = run(
        "verify", artifact, "--picture", images, "--against", model.source, "--expected", expected,
        "--json",
    )  # fmt: skip
    assert verified.exit_code == 0, verified.output
    assert json.loads(verified.stdout)["drop"] == 0

    shutil.rmtree(tmp_path / "models")
    assert package(model.frozen, tmp_path, "positive\n", *options).exit_code == 0
    results = scores(only_artifact(tmp_path), images, "openvino")
    assert [image["positive"] for image in results] == pytest.approx(positive, abs=1e-5)


def test_verification_of_one_label_looks_at_its_score(
    trained: Callable[[str], Trained], images: Path, tmp_path: Path
) -> None:
    assert package(trained("sigmoid").frozen, tmp_path, "bright\n").exit_code == 0
    # The score of the dark image is far below the threshold.
    expected = tmp_path / "expected.json"
    for name, exit_code in (("5.png", 0), ("0.png", 1)):
        expected.write_text(json.dumps({name: "bright"}))
        result = run("verify", only_artifact(tmp_path), "--picture", images, "--expected", expected)
        assert result.exit_code == exit_code, result.output


@pytest.mark.parametrize(("kind", "activation"), [
    ("logit", "none"), ("logit", "logits"), ("logit", "softmax"),
])  # fmt: skip
def test_the_softmax_of_one_value_is_refused(
    trained: Callable[[str], Trained], tmp_path: Path, kind: str, activation: str
) -> None:
    result = package(trained(kind).frozen, tmp_path, "yes\n", "--activation", activation)
    assert result.exit_code == 2
    assert "whose softmax is always 1" in result.output
    assert "--activation sigmoid-logits" in result.output
    assert not (tmp_path / "models").exists()


def test_an_activation_that_the_graph_contradicts_is_refused(
    trained: Callable[[str], Trained], tmp_path: Path
) -> None:
    for kind, given in (("fully_convolutional", "logits"), ("sigmoid", "sigmoid-logits")):
        result = package(trained(kind).frozen, tmp_path, "a\nb\nc\n", "--activation", given)
        assert result.exit_code == 2
        assert f"--activation {given} was given: omit the option" in result.output


def test_scores_with_sides_of_one_are_squeezed(
    trained: Callable[[str], Trained], images: Path, tmp_path: Path
) -> None:
    model = trained("fully_convolutional")
    result = package(model.frozen, tmp_path, "0 dark\n1 bright\n2 neither\n")
    assert result.exit_code == 0, result.output
    for engine in ENGINES:
        results = scores(only_artifact(tmp_path), images, engine)
        for number, label in enumerate(("dark", "bright", "neither")):
            expected = model.answers[:, number]
            assert [image[label] for image in results] == pytest.approx(expected, abs=1e-5)
    verified = run("verify", only_artifact(tmp_path), "--against", model.source)
    assert verified.exit_code == 0, verified.output


def test_logits_of_several_labels_become_sigmoids(
    trained: Callable[[str], Trained], images: Path, tmp_path: Path
) -> None:
    model = trained("tags")
    options = ("--activation", "sigmoid-logits")
    assert package(model.frozen, tmp_path, "a\nb\nc\n", *options).exit_code == 0
    results = scores(only_artifact(tmp_path), images, "openvino")
    expected = sigmoid(model.answers)
    for number, label in enumerate("abc"):
        assert [image[label] for image in results] == pytest.approx(expected[:, number], abs=1e-5)


def test_a_regression_is_no_classifier(trained: Callable[[str], Trained], tmp_path: Path) -> None:
    frozen = trained("regression").frozen
    result = package(frozen, tmp_path, "x\ny\nz\n")
    assert result.exit_code == 2
    assert "ends in neither a softmax nor a sigmoid" in result.output
    assert "values of a regression are not scores" in result.output
    for activation in ("softmax", "sigmoid"):
        result = package(frozen, tmp_path, "x\ny\nz\n", "--activation", activation)
        assert result.exit_code == 2
        assert f"is not a {activation}" in result.output
    assert not (tmp_path / "models").exists()


def test_one_score_takes_one_or_two_labels(
    trained: Callable[[str], Trained], tmp_path: Path
) -> None:
    result = package(trained("sigmoid").frozen, tmp_path, "a\nb\nc\n")
    assert result.exit_code == 2
    assert "expected one label, or two (of a low score, then of a high one)" in result.output


def test_a_package_ends_with_the_next_steps(
    trained: Callable[[str], Trained], tmp_path: Path
) -> None:
    result = package(trained("sigmoid").frozen, tmp_path, "negative\npositive\n")
    artifact = only_artifact(tmp_path)
    assert f"next: deeplens model verify {artifact}" in result.output
    assert f"deeplens release pin environments/dev.toml {artifact.parent.name}" in result.output


def test_a_graph_that_openvino_cannot_load_names_the_op_and_the_engine(tmp_path: Path) -> None:
    import tensorflow as tf  # noqa: PLC0415 - the import takes seconds

    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        image = v1.placeholder(tf.float32, [1, SIDE_PX, SIDE_PX, 3], name="image")
        mean = tf.reduce_mean(image, [1, 2])
        tf.nn.softmax(tf.math.lgamma(mean + 1.0), name="scores")
        (tmp_path / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    assert run("freeze", tmp_path / "graph.pb", tmp_path / "frozen").exit_code == 0
    result = package(tmp_path / "frozen", tmp_path, "r\ng\nb\n")
    assert result.exit_code == 0, result.output
    assert "No conversion rule found for operations: Lgamma" in result.output
    assert 'engine = "tensorflow"' in result.output
    artifact = only_artifact(tmp_path)
    refused = run("verify", artifact, "--against", tmp_path / "graph.pb")
    assert refused.exit_code == 2
    assert "operations: Lgamma" in refused.output
    assert "--engine tensorflow" in refused.output
    verified = run("verify", artifact, "--against", tmp_path / "graph.pb", "--engine", "tensorflow")
    assert verified.exit_code == 0, verified.output
    alone = run("verify", artifact, "--engine", "tensorflow")
    assert alone.exit_code == 2
    assert "compares with --against or --expected" in alone.output


@pytest.mark.parametrize("channels", [1, 4])
def test_a_graph_for_other_than_three_channels_is_refused_where_it_runs(
    channels: int, tmp_path: Path
) -> None:
    """The engine rejects a graph without three channels, as in an artifact of an older version.

    The graph computes a mean, which accepts any number of channels.
    """
    import tensorflow as tf  # noqa: PLC0415 - the import takes seconds

    graph = tf.Graph()
    with graph.as_default():
        image = tf.compat.v1.placeholder(tf.float32, [None, SIDE_PX, SIDE_PX, channels], "image")
        tf.nn.softmax(tf.reduce_mean(image, [1, 2]), name="scores")
    file = tmp_path / "grey.pb"
    file.write_bytes(graph.as_graph_def().SerializeToString())
    shapes = {"image:0": (1, SIDE_PX, SIDE_PX, 3)}
    expected = "grayscale images" if channels == 1 else "images with 4 channels"
    with pytest.raises(ArtifactError, match=expected) as refused:
        open_runtime("openvino", file, ("scores:0",), shapes=shapes)
    assert "package the model again" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_grey_model_is_packaged_behind_a_layer_that_takes_colours(
    images: Path, tmp_path: Path
) -> None:
    import keras  # noqa: PLC0415 - the import takes seconds
    import tensorflow as tf  # noqa: PLC0415 - the import takes seconds

    keras.utils.set_random_seed(2)
    grey = keras.Input((SIDE_PX, SIDE_PX, 1), name="image")
    x = keras.layers.Conv2D(4, 3, activation="relu")(grey)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(grey, keras.layers.Dense(2, activation="softmax")(x))
    model.compile("adam", loss="sparse_categorical_crossentropy")
    given = np.asarray(tf.image.rgb_to_grayscale(pixels().astype(np.float32) / 255))
    model.fit(given, np.array([0, 0, 0, 1, 1, 1]), epochs=5, verbose=0)
    model.export(tmp_path / "grey", verbose=False)
    assert run("freeze", tmp_path / "grey", tmp_path / "frozen").exit_code == 0
    result = package(tmp_path / "frozen", tmp_path, "dark\nbright\n")
    assert result.exit_code == 2
    assert "is not valid for a camera: expected an image with 3 channels" in result.output
    assert not (tmp_path / "models").exists()

    # docs/models.md contains this wrapper.
    class Camera(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            self.model = model

        @tf.function(input_signature=[tf.TensorSpec([None, SIDE_PX, SIDE_PX, 3], tf.float32)])
        def __call__(self, image: Any) -> Any:
            return self.model(tf.image.rgb_to_grayscale(image))

    tf.saved_model.save(Camera(), str(tmp_path / "camera"))
    assert run("freeze", tmp_path / "camera", tmp_path / "wrapped").exit_code == 0
    result = package(tmp_path / "wrapped", tmp_path, "dark\nbright\n")
    assert result.exit_code == 0, result.output
    results = scores(only_artifact(tmp_path), images, "openvino")
    expected = model.predict(given, verbose=0)[:, 1]
    assert [image["bright"] for image in results] == pytest.approx(expected, abs=1e-4)
