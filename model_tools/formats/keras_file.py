"""The way from a Keras file to the SavedModel that servers load."""

from pathlib import Path

KERAS_SUFFIXES = frozenset({".keras", ".h5", ".hdf5"})


def keras_export(file: Path, folder: str) -> str:
    """Return the statements that export a Keras file for inference.

    `model.export` alone would export augmentation layers as they are in training.

    Args:
        file: the Keras file.
        folder: the SavedModel's folder, as it is named in the statements.
    """
    statements = (
        f"m = keras.saving.load_model({str(file)!r}, compile=False); "
        "i = keras.Input(m.input_shape[1:]); "
        f"keras.Model(i, m(i, training=False)).export({folder!r})"
    )
    if file.suffix == ".keras":
        return statements
    return f"{statements} (a file of Keras 2: tf.saved_model.save(model, {folder!r}) in Keras 2)"
