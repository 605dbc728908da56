"""Check the layers and links of a Keras file before Keras opens it.

The safe mode of Keras does not cover .h5 files, and a configuration can name any importable class.
Therefore, only layers of Keras are allowed, without layers that contain code. HDF5 can also refer
to other files of the host. The rules:

    keras-class   each class belongs to Keras and does not run code from the file
    keras-link    HDF5 links and the content of data sets are within the file
    keras-config  the file has a readable configuration
    keras-2       Keras 3 can build every layer of a file that Keras 2 saved
    keras-layout  the HDF5 library reads the file without a crash, in limited time
"""

import ast
import importlib.util
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py

from model_tools.errors import RefusedError
from model_tools.formats.keras_2 import is_keras_2, translated
from shared.artifact.archive import BROKEN_ZIP

_RUNS_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
_LARGEST_CONFIG_BYTES = 64 << 20
_MODEL_CLASSES = {"Functional", "Sequential", "Model", "DTypePolicy"}
_PLAIN_VALUES = {"__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__tensor__"}
# The modules whose classes are allowed. Other modules are not safe: keras.utils downloads files,
# and keras.config can turn off the safe mode.
_MODULES = {
    f"keras.{part}"
    for part in (
        "activations", "constraints", "dtype_policies", "initializers", "layers", "models",
        "regularizers", "src.models.functional", "src.models.sequential",
    )
}  # fmt: skip
# Modules whose classes without a public name are allowed if Keras' source defines them there.
# Tensor arithmetic (`x / 255.0`) and the networks of keras.applications use such classes.
_PRIVATE_MODULES = {
    "keras.src.ops.core", "keras.src.ops.image", "keras.src.ops.linalg", "keras.src.ops.math",
    "keras.src.ops.nn", "keras.src.ops.numpy", "keras.src.applications.convnext",
}  # fmt: skip


def check_keras_config(file: Path) -> None:
    """Check that the configuration names only classes of Keras that run no code from the file.

    Raises:
        RefusedError: the configuration breaks a rule.
    """
    for entry in _entries(read_config(file).usable):
        name, module = str(entry["class_name"]), entry.get("module")
        if name in _RUNS_CODE:
            raise RefusedError(
                "keras-class",
                f"the layer {name} runs code from the file; where the model was trained, export a "
                "SavedModel (model.export) and give that instead",
            )
        if name in _PLAIN_VALUES:
            continue
        registered = entry.get("registered_name")
        is_keras_class = module in _MODULES or (module == "keras" and name in _MODEL_CLASSES)
        if module is None:
            # In an older .h5 file, a class has no module, and Keras searches the name among its own
            # classes.
            is_keras_class = name.isidentifier()
        if module in _PRIVATE_MODULES:
            is_keras_class = name in _classes_of(module)
        if not is_keras_class or registered not in {None, name}:
            raise RefusedError(
                "keras-class",
                f"{f'{module}.' if module else ''}{name} is not a layer of Keras; "
                "where the model was trained, export a SavedModel (model.export) instead",
            )


@dataclass(frozen=True)
class KerasConfig:
    """The configuration of a Keras file, as written and as usable with Keras 3."""

    written: Any
    # The configuration without optimizers and losses, translated if Keras 2 wrote the file.
    usable: Any
    is_keras_2: bool


def read_config(file: Path) -> KerasConfig:
    """Read the configuration of a .keras or .h5 file.

    Raises:
        RefusedError: the file breaks the rule keras-config or keras-2.
    """
    written, version = _config(file)
    is_old = is_keras_2(version)
    if is_old and file.suffix.lower() == ".keras":
        raise RefusedError(
            "keras-2",
            f"{file.name} was saved by Keras {str(version)[:20]}, and Keras 3 cannot read its "
            "weights; where it was saved, save it as .h5 (model.save('model.h5')), or as a "
            "SavedModel with tf.saved_model.save(model, 'folder')",
        )
    usable = _without_training(written)
    return KerasConfig(written, translated(usable) if is_old else usable, is_old)


@contextmanager
def usable_file(file: Path) -> Iterator[Path]:
    """Yield a file with the usable configuration: `file`, or a temporary copy.

    Raises:
        RefusedError: the file breaks the rule keras-config or keras-2.
    """
    config = read_config(file)
    if config.usable == config.written:
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="model-tools-") as folder:
        copy = Path(folder) / file.name
        text = json.dumps(config.usable)
        if file.suffix.lower() == ".keras":
            with zipfile.ZipFile(file) as source, zipfile.ZipFile(copy, "w") as target:
                for member in source.infolist():
                    if member.filename == "config.json":
                        target.writestr(member.filename, text)
                        continue
                    with source.open(member) as content, target.open(member, "w") as copied:
                        shutil.copyfileobj(content, copied)
        else:
            shutil.copyfile(file, copy)
            with h5py.File(copy, "r+") as opened:
                opened.attrs["model_config"] = text.encode()
        yield copy


def content_bytes(file: Path) -> int:
    """Return the unpacked size of a Keras file in bytes."""
    if file.suffix.lower() != ".keras":
        return file.stat().st_size
    with zipfile.ZipFile(file) as packed:
        return sum(member.file_size for member in packed.infolist())


def _without_training(value: Any) -> Any:
    """Return a copy without optimizers and losses, also of nested models.

    Otherwise, Keras would build the optimizers and losses.
    """
    if isinstance(value, list):
        return [_without_training(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_training(item)
        for key, item in value.items()
        if not (key == "compile_config" and "class_name" in value)
    }


@cache
def _classes_of(module: str) -> frozenset[str]:
    """Return the names of the classes that a Keras module defines, from its source.

    The module is not imported. The result is empty if the source does not exist.
    """
    spec = importlib.util.find_spec("keras")
    if spec is None or not spec.submodule_search_locations:
        return frozenset()
    file = Path(spec.submodule_search_locations[0], *module.split(".")[1:]).with_suffix(".py")
    try:
        parsed = ast.parse(file.read_text(encoding="utf-8"))
    except OSError:
        return frozenset()
    return frozenset(node.name for node in parsed.body if isinstance(node, ast.ClassDef))


def check_layout(file: Path) -> None:
    """Check that the HDF5 file, or the HDF5 file in a .keras file, refers to no other file.

    Raises:
        RefusedError: the file breaks the rule keras-link or keras-config.
    """
    try:
        if file.suffix.lower() != ".keras":
            with h5py.File(file, "r") as opened:
                _check_links(opened)
            return
        with zipfile.ZipFile(file) as packed:
            content = io.BytesIO(packed.read("model.weights.h5"))
        with h5py.File(content, "r") as opened:
            _check_links(opened)
    except (*BROKEN_ZIP, KeyError) as error:
        raise RefusedError("keras-config", f"{file.name} cannot be read: {error}") from None


def _check_links(group: Any) -> None:
    waiting = [group]
    while waiting:
        current = waiting.pop()
        for name in current:
            link = current.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise RefusedError(
                    "keras-link",
                    f"{name[:60]!r} is a {type(link).__name__}: expected a member of the file",
                )
            member = current[name]
            if isinstance(member, h5py.Group):
                waiting.append(member)
            elif isinstance(member, h5py.Dataset) and (member.external or member.is_virtual):
                raise RefusedError("keras-link", f"the content of {name[:60]!r} is in another file")


def _config(file: Path) -> tuple[Any, object]:
    """Return the configuration and the Keras version that wrote it."""
    try:
        if file.suffix.lower() == ".keras":
            with zipfile.ZipFile(file) as packed:
                if packed.getinfo("config.json").file_size > _LARGEST_CONFIG_BYTES:
                    raise RefusedError("keras-config", "config.json is too large")
                metadata = json.loads(packed.read("metadata.json"))
                config = json.loads(packed.read("config.json"))
            # A .keras file without a version is from Keras 3, because Keras 2 always wrote one.
            version = metadata.get("keras_version") if isinstance(metadata, dict) else None
            return config, version or "3."
        with h5py.File(file, "r") as opened:
            text = opened.attrs.get("model_config")
            version = opened.attrs.get("keras_version", "")
        if text is None:
            raise RefusedError(
                "keras-config",
                f"{file.name} contains weights without a configuration; save the model with "
                "model.save",
            )
        if not isinstance(text, str | bytes):
            raise RefusedError("keras-config", f"{file.name}: model_config is not a string")
        return json.loads(text), version
    except (*BROKEN_ZIP, KeyError) as error:
        raise RefusedError("keras-config", f"{file.name} has no configuration: {error}") from None


def _entries(config: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of the configuration that names a class."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
