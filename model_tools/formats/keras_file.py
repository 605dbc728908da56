"""Keras files: .keras archives and HDF5 files."""

from dataclasses import dataclass
from pathlib import Path

from model_tools.errors import IsolationError, RefusedError
from model_tools.formats.archives import check_zip
from model_tools.formats.base import ModelFile
from model_tools.formats.keras_config import check_keras_config, check_layout
from model_tools.formats.signatures import Choice, reject_tensor_names
from model_tools.formats.tensors import LoadedModel
from model_tools.sandbox import Limits, isolated


@dataclass(frozen=True)
class KerasHdf5File(ModelFile):
    """A model in HDF5, from Keras 2 or 3."""

    format_name = "Keras HDF5 file"
    example = "an .h5 or .hdf5 file of Keras"
    suffixes = frozenset({".h5", ".hdf5"})

    def check(self, choice: Choice) -> None:
        """Check the archive, and check links and configuration in a limited process.

        A damaged file can crash or block the HDF5 library.
        """
        reject_tensor_names(choice, self.format_name)
        self._check_container()
        try:
            isolated(_check_content, self.path, limits=_limits(self.path))
        except IsolationError as error:
            raise RefusedError("keras-layout", f"reading {self.path.name}: {error}") from None

    def check_before_sandbox(self, choice: Choice) -> None:
        """Check the file; its process has smaller limits than the sandbox of TensorFlow."""
        self.check(choice)

    def _check_container(self) -> None:
        """Check the archive that contains the HDF5 file; do nothing for a plain HDF5 file."""

    def _load(self, choice: Choice) -> LoadedModel:
        self.check(choice)
        from model_tools.formats import tf2  # noqa: PLC0415 - imports TensorFlow

        return tf2.load_keras(self.path, choice)


@dataclass(frozen=True)
class KerasFile(KerasHdf5File):
    """A .keras archive of Keras 3."""

    format_name = "Keras file"
    example = "a .keras file"
    suffixes = frozenset({".keras"})

    def _check_container(self) -> None:
        check_zip(self.path)


KERAS_SUFFIXES = KerasFile.suffixes | KerasHdf5File.suffixes


def keras_export(file: Path, folder: str) -> str:
    """Return Python statements that export a Keras file as a SavedModel for inference.

    `model.export` alone would export augmentation layers in their training state. For an HDF5 file,
    the statement for Keras 2 follows in parentheses.

    Args:
        file: the Keras file.
        folder: the name of the SavedModel's folder in the statements.
    """
    statements = (
        f"m = keras.saving.load_model({str(file)!r}, compile=False); "
        "i = keras.Input(m.input_shape[1:]); "
        f"keras.Model(i, m(i, training=False)).export({folder!r})"
    )
    if file.suffix == ".keras":
        return statements
    return f"{statements} (a file of Keras 2: tf.saved_model.save(model, {folder!r}) in Keras 2)"


def _check_content(file: Path) -> None:
    check_layout(file)
    check_keras_config(file)


def _limits(file: Path) -> Limits:
    # All weights of a .keras file are read into memory.
    mib = file.stat().st_size >> 20
    seconds = 4 + mib // 50
    return Limits(
        seconds=seconds,
        memory_mib=384 + 2 * mib,
        file_mib=1,
        wall_seconds=600 + 20 * seconds,
    )
