"""The trained classifier as SageMaker expects it: a SavedModel below `export/Servo/<version>/`.

Source: aws/sagemaker-tensorflow-serving-container: any folder named by a number that holds a
`saved_model.pb` is served, and that of the guide's training job is `export/Servo/<timestamp>`.
"""

from pathlib import Path
from typing import Any

from model_tools.headpose import network
from model_tools.headpose.drawing import SIDE_PX
from model_tools.reproducible_archives import write_tar_gz

ARCHIVE_NAME = "model.tar.gz"
CAMERA_SIGNATURE = "camera"

_SERVO = Path("export") / "Servo"


def export(model: Any, folder: Path, version: int) -> Path:
    """Write the SavedModel below `folder`, with the signature of the guide's, and a camera's.

    `serving_default`: `inputs`, float32 [n, 84, 84, 3] from 0 to 255 → `classes`, int64 [n], and
    `probabilities`, float32 [n, 9]. `camera`: the same without `classes`.

    Returns:
        The folder of the SavedModel.
    """
    import keras  # noqa: PLC0415 - TensorFlow is imported when it is needed
    import tensorflow as tf  # noqa: PLC0415 - as above

    def camera(inputs: Any) -> dict[str, Any]:
        return {"probabilities": model(inputs, training=False)}

    def serve(inputs: Any) -> dict[str, Any]:
        answer = camera(inputs)
        return {"classes": tf.argmax(answer["probabilities"], 1), **answer}

    pictures = tf.TensorSpec([None, SIDE_PX, SIDE_PX, 3], tf.float32, network.INPUT_NAME)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", serve, [pictures])
    archive.add_endpoint(CAMERA_SIGNATURE, camera, [pictures])
    destination = folder / _SERVO / str(version)
    archive.write_out(str(destination), verbose=False)
    return destination


def pack(folder: Path, archive: Path) -> None:
    """Pack `folder`/export as the `model.tar.gz` of a training job; the same bytes each time."""
    files = (path for path in (folder / _SERVO.parts[0]).rglob("*") if path.is_file())
    write_tar_gz({path.relative_to(folder).as_posix(): path for path in files}, archive)
