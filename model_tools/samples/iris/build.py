"""Train the iris classifier of the DeepLens guide, and export it for SageMaker's container.

The network of the guide has dense layers of 10, 20 and 10 units. The data set is Fisher's 150
irises: R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936. The values are
those of the article, as in the language R; some copies differ in two rows.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools import tensorflow_setup

EPOCHS = 60
SPECIES = ("setosa", "versicolor", "virginica")

_FILE = Path(__file__).with_name("iris.csv")
# The interval at which flowers become test data: every fifth flower.
_TEST_INTERVAL = 5
_UNITS = (10, 20, 10)
_BATCH = 16
_VERSION = "1"


@dataclass(frozen=True)
class Flowers:
    """Measurements, float32 [n, 4] in cm (sepal length, width, petal length, width), and species.

    Species are int64 [n], indices into `SPECIES`.
    """

    measurements: npt.NDArray[np.float32]
    species: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Trained:
    """The files of a trained classifier, and its accuracy on the test flowers."""

    saved_model: Path
    # A request with the test flowers, and the model's response in this process.
    request: Path
    expected: Path
    accuracy: float


def build(folder: Path, seed: int, progress: Callable[[int], None] = lambda _: None) -> Trained:
    """Train and export the classifier, and predict the test flowers.

    Args:
        folder: folder for export/Servo/1/, request.json, expected.json and labels.txt.
        seed: seed of the initial weights and the order of flowers.
        progress: called after every epoch with its number, from 1.
    """
    import keras  # noqa: PLC0415 - imports TensorFlow
    import tensorflow as tf  # noqa: PLC0415 - as above

    tensorflow_setup.configure_training(seed)
    train, test = read_flowers()
    model = _network(keras, train)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    reporter = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: progress(epoch + 1))
    model.fit(
        train.measurements,
        train.species,
        batch_size=_BATCH,
        epochs=EPOCHS,
        callbacks=[reporter],
        verbose=0,
    )

    def serve(measurements: Any) -> dict[str, Any]:
        scores = model(measurements, training=False)
        return {"classes": tf.argmax(scores, 1), "probabilities": scores}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default", serve, [tf.TensorSpec([None, 4], tf.float32, "measurements")]
    )
    saved_model = folder / "export" / "Servo" / _VERSION
    archive.write_out(str(saved_model), verbose=False)

    scores = model(test.measurements, training=False).numpy()
    classes = scores.argmax(1)
    request, expected = folder / "request.json", folder / "expected.json"
    request.write_text(json.dumps({"instances": test.measurements.round(1).tolist()}), "utf-8")
    predictions = [
        {"classes": int(species), "probabilities": row.tolist()}
        for species, row in zip(classes, scores, strict=True)
    ]
    expected.write_text(json.dumps({"predictions": predictions}), "utf-8")
    (folder / "labels.txt").write_text("\n".join(SPECIES) + "\n", "utf-8")
    return Trained(saved_model, request, expected, float(np.mean(classes == test.species)))


def read_flowers() -> tuple[Flowers, Flowers]:
    """Return 120 training and 30 test flowers, with equal numbers of each species."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    measurements = np.array([row[:4] for row in rows], np.float32)
    species = np.array([SPECIES.index(row[4]) for row in rows], np.int64)
    is_test = np.arange(len(rows)) % _TEST_INTERVAL == 0
    return (
        Flowers(measurements[~is_test], species[~is_test]),
        Flowers(measurements[is_test], species[is_test]),
    )


def _network(keras: Any, train: Flowers) -> Any:
    normal = keras.layers.Normalization(name="normal")
    normal.adapt(train.measurements)
    layers = [
        keras.layers.Dense(units, "relu", name=f"dense_{units}_{number}")
        for number, units in enumerate(_UNITS)
    ]
    return keras.Sequential(
        [
            keras.layers.Input([4], name="measurements"),
            normal,
            *layers,
            keras.layers.Dense(len(SPECIES), "softmax", name="probabilities"),
        ]
    )
