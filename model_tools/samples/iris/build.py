"""The classifier, trained and exported as SageMaker's container loads it, with what it says here.

The network is the guide's: dense layers of 10, 20 and 10.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_tools import reproducible_training
from model_tools.samples.iris.flowers import SPECIES, Flowers, read_flowers

EPOCHS = 60

_UNITS = (10, 20, 10)
_BATCH = 16
_VERSION = "1"


@dataclass(frozen=True)
class Trained:
    """What was written."""

    saved_model: Path
    # The test flowers as a request, and what the model in this process answers to it.
    request: Path
    expected: Path
    accuracy: float


def build(folder: Path, seed: int, progress: Callable[[int], None] = lambda _: None) -> Trained:
    """Train, export, and predict the flowers that it has not seen.

    Args:
        folder: gets export/Servo/1/, request.json, expected.json and labels.txt.
        seed: of the first weights and the order of flowers.
        progress: is told of every epoch, from 1.
    """
    import keras  # noqa: PLC0415 - TensorFlow takes seconds
    import numpy as np  # noqa: PLC0415 - as above
    import tensorflow as tf  # noqa: PLC0415 - as above

    reproducible_training.configure(seed)
    train, test = read_flowers()
    model = _network(keras, train)
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    told = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: progress(epoch + 1))
    model.fit(
        train.measurements,
        train.species,
        batch_size=_BATCH,
        epochs=EPOCHS,
        callbacks=[told],
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
