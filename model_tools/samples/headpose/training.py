"""Train the head-pose classifier, and evaluate it on separate test images."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_tools import tensorflow_setup
from model_tools.samples.headpose import network
from model_tools.samples.headpose.data import HeadPoses
from model_tools.samples.headpose.poses import LABELS, mirrored

_MOST_SHIFT_PX = 6
_BRIGHTNESS = 40.0
_CONTRAST = (0.7, 1.3)
_WARM_UP_SHARE = 0.1


@dataclass(frozen=True)
class TrainingOptions:
    """Options for training; the defaults reach the documented quality."""

    variant: str = "small"
    epochs: int = 12
    batch_size: int = 32
    learning_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True)
class Quality:
    """Accuracy on the test images, in total and by class label, and the number of these images."""

    accuracy: float
    by_class: dict[str, float]
    pictures: int

    def as_dict(self) -> dict[str, Any]:
        """Return the metrics as plain data."""
        return asdict(self)


def train(
    data: HeadPoses,
    options: TrainingOptions,
    work: Path,
    progress: Callable[[int, float], None] = lambda _step, _loss: None,
) -> Any:
    """Train a model, or continue an interrupted run with the same options and data.

    Args:
        data: images and poses.
        options: options of training.
        work: folder for checkpoints, TensorBoard's logs (`logs/`) and `history.csv`.
        progress: called after each batch with its number over all epochs (from 1) and the loss.

    Returns:
        The trained Keras model.
    """
    import keras  # noqa: PLC0415 - imports TensorFlow

    tensorflow_setup.configure_training(options.seed)
    steps = -(-len(data.train_poses) // options.batch_size)
    total = steps * options.epochs
    warm_up = int(total * _WARM_UP_SHARE)
    model = network.build(options.variant)
    model.compile(
        optimizer=keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(
                options.learning_rate / 10,
                total - warm_up,
                warmup_target=options.learning_rate,
                warmup_steps=warm_up,
            )
        ),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    work.mkdir(parents=True, exist_ok=True)
    backup = keras.callbacks.BackupAndRestore(str(work / "checkpoint"), delete_checkpoint=True)
    model.fit(
        _batches(data, options),
        epochs=options.epochs,
        steps_per_epoch=steps,
        validation_data=(data.test_pictures.astype(np.float32), data.test_poses),
        class_weight=_balance(data),
        verbose=0,
        callbacks=[
            backup,
            keras.callbacks.CSVLogger(str(work / "history.csv"), append=True),
            keras.callbacks.TensorBoard(str(work / "logs"), write_graph=False),
            _reporter(progress, steps),
        ],
    )
    return model


def evaluate(model: Any, data: HeadPoses) -> Quality:
    """Measure the accuracy on the test images."""
    scores = model.predict(data.test_pictures.astype(np.float32), verbose=0)
    is_correct = scores.argmax(1) == data.test_poses
    by_class = {
        label: round(float(is_correct[data.test_poses == number].mean()), 4)
        for number, label in enumerate(LABELS)
        if (data.test_poses == number).any()
    }
    return Quality(round(float(is_correct.mean()), 4), by_class, len(is_correct))


def write_report(file: Path, data: HeadPoses, options: TrainingOptions, quality: Quality) -> None:
    """Write data, options and metrics as JSON, for `deeplens model package --training`."""
    document = {
        "data": data.source,
        "train_pictures": len(data.train_poses),
        **asdict(options),
        **quality.as_dict(),
    }
    file.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _batches(data: HeadPoses, options: TrainingOptions) -> Any:
    """Return an infinite data set of shuffled, augmented batches."""
    import tensorflow as tf  # noqa: PLC0415 - as above

    side = data.train_pictures.shape[1]
    images, poses = data.train_pictures, data.train_poses
    mirror_of = tf.constant(mirrored(np.arange(len(LABELS))))

    def augment(number: Any) -> tuple[Any, Any]:
        seeds = tf.random.split(tf.random.fold_in([options.seed, 7], tf.cast(number, tf.int32)), 4)
        index = number % len(poses)
        image = tf.cast(all_images[index], tf.float32)
        pose = all_poses[index]
        padded = tf.pad(image, [[_MOST_SHIFT_PX] * 2, [_MOST_SHIFT_PX] * 2, [0, 0]], "SYMMETRIC")
        image = tf.image.stateless_random_crop(padded, [side, side, 3], seeds[0])
        image = tf.image.stateless_random_contrast(image, *_CONTRAST, seeds[1])
        image += tf.random.stateless_uniform([], seeds[2], -_BRIGHTNESS, _BRIGHTNESS)
        is_mirrored = tf.random.stateless_uniform([], seeds[3]) < 0.5  # noqa: PLR2004 - half of the images
        image = tf.where(is_mirrored, tf.reverse(image, [1]), image)
        pose = tf.where(is_mirrored, tf.gather(mirror_of, pose), pose)
        return tf.clip_by_value(image, 0, 255), pose

    all_images, all_poses = tf.constant(images), tf.constant(poses)
    numbers = tf.data.Dataset.range(len(poses)).shuffle(
        len(poses), seed=options.seed, reshuffle_each_iteration=True
    )
    return (
        numbers.repeat()
        .enumerate()
        .map(lambda position, number: augment(number + position // len(poses) * len(poses)),
             num_parallel_calls=2, deterministic=True)
        .batch(options.batch_size)
        .prefetch(2)
    )  # fmt: skip


def _balance(data: HeadPoses) -> dict[int, float]:
    """Return class weights that give all classes the same influence."""
    counts = np.bincount(data.train_poses, minlength=len(LABELS))
    present = np.count_nonzero(counts)
    return {
        number: len(data.train_poses) / (present * int(count)) if count else 0.0
        for number, count in enumerate(counts)
    }


def _reporter(progress: Callable[[int, float], None], steps: int) -> Any:
    import keras  # noqa: PLC0415 - imports TensorFlow

    class Reporter(keras.callbacks.Callback):  # type: ignore[misc, name-defined, unused-ignore]
        """A callback that reports the number and loss of each batch."""

        def on_epoch_begin(self, epoch: int, _logs: dict[str, float] | None = None) -> None:
            self.epoch = epoch

        def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
            progress(self.epoch * steps + batch + 1, float((logs or {}).get("loss", 0.0)))

    return Reporter()
