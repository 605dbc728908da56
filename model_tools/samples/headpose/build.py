"""Train, evaluate and export the head-pose classifier, and write files to package and test it.

The SavedModel is in `export/Servo/<version>/`, which SageMaker's container can serve.
Source: aws/sagemaker-tensorflow-serving-container serves a SavedModel in any folder whose name is a
number, and the training job of the guide writes `export/Servo/<timestamp>`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from model_tools.progress import Progress
from model_tools.reproducible_archives import write_tar_gz
from model_tools.samples.headpose import data as data_sets
from model_tools.samples.headpose import network, training
from model_tools.samples.headpose.data import HeadPoses
from model_tools.samples.headpose.drawing import SIDE_PX
from model_tools.samples.headpose.poses import LABELS
from model_tools.samples.headpose.training import Quality, TrainingOptions

ARCHIVE_NAME = "model.tar.gz"
CAMERA_SIGNATURE = "camera"

_SERVO = Path("export") / "Servo"
_SAMPLE_IMAGES = 27


@dataclass(frozen=True)
class Trained:
    """The files and the quality of a trained classifier."""

    saved_model: Path
    archive: Path
    labels: Path
    report: Path
    pictures: Path
    quality: Quality


def build(
    data: HeadPoses,
    options: TrainingOptions,
    output: Path,
    version: int,
    progress: Progress,
) -> Trained:
    """Train, evaluate and export the classifier, or continue an interrupted training.

    Args:
        data: the data set.
        options: options of training.
        output: a folder for all files; training writes `checkpoint/`, `logs/` and `history.csv`.
        version: number of the SavedModel's folder.
        progress: receives the phases, and each batch with its loss.
    """
    batches = -(-len(data.train_poses) // options.batch_size) * options.epochs
    progress.phase("training", batches, "batch")
    model = training.train(data, options, output, progress.step)
    progress.phase("evaluating on unseen images")
    quality = training.evaluate(model, data)
    progress.phase("exporting")
    saved_model = _export(model, output, version)
    files = (path for path in (output / _SERVO.parts[0]).rglob("*") if path.is_file())
    write_tar_gz(
        {path.relative_to(output).as_posix(): path for path in files}, output / ARCHIVE_NAME
    )
    training.write_report(output / "training.json", data, options, quality)
    labels = output / "labels.txt"
    labels.write_text("".join(f"{label}\n" for label in LABELS), encoding="utf-8")
    return Trained(
        saved_model=saved_model,
        archive=output / ARCHIVE_NAME,
        labels=labels,
        report=output / "training.json",
        pictures=_write_pictures(data, output / "pictures"),
        quality=quality,
    )


def read_or_draw(
    source: Path | None, output: Path, seed: int, count: int, progress: Callable[[int], None]
) -> HeadPoses:
    """Read a data set, or draw `count` training images and a fifth of that number as test images.

    A drawn data set is stored in `output`, and the next run reads it from there.

    Raises:
        SourceError, RefusedError, IsolationError: `source` cannot be read.
    """
    output.mkdir(parents=True, exist_ok=True)
    if source is not None:
        return data_sets.read(source, output)
    stored = output / f"drawn-{seed}-{count}.npz"
    if stored.is_file():
        return data_sets.read(stored, output)
    drawn = data_sets.draw(seed, count, count // 5, progress)
    unfinished = stored.with_name(f"unfinished-{stored.name}")
    data_sets.write_npz(drawn, unfinished)
    unfinished.replace(stored)
    return drawn


def _write_pictures(data: HeadPoses, folder: Path) -> Path:
    """Write test images for a virtual camera, with poses in the file names."""
    folder.mkdir(exist_ok=True)
    for number in range(min(_SAMPLE_IMAGES, len(data.test_poses))):
        label = LABELS[data.test_poses[number]].replace(" ", "-")
        Image.fromarray(data.test_pictures[number]).save(folder / f"{number:02d}-{label}.png")
    return folder


def _export(model: Any, folder: Path, version: int) -> Path:
    """Write the SavedModel below `folder`, with the guide's signature and a signature for cameras.

    `serving_default`: `inputs`, float32 [n, 84, 84, 3] from 0 to 255 → `classes`, int64 [n], and
    `probabilities`, float32 [n, 9]. `camera`: the same without `classes`.

    Returns:
        The folder of the SavedModel.
    """
    import keras  # noqa: PLC0415 - imports TensorFlow
    import tensorflow as tf  # noqa: PLC0415 - as above

    def camera(inputs: Any) -> dict[str, Any]:
        return {"probabilities": model(inputs, training=False)}

    def serve(inputs: Any) -> dict[str, Any]:
        answer = camera(inputs)
        return {"classes": tf.argmax(answer["probabilities"], 1), **answer}

    images = tf.TensorSpec([None, SIDE_PX, SIDE_PX, 3], tf.float32, network.INPUT_NAME)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", serve, [images])
    archive.add_endpoint(CAMERA_SIGNATURE, camera, [images])
    destination = folder / _SERVO / str(version)
    archive.write_out(str(destination), verbose=False)
    return destination
