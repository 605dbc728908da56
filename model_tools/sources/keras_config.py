"""What a Keras file may build and read, checked before Keras opens it.

Keras' safe mode does not cover .h5 files, and a configuration can name any importable class: only
Keras' own layers are built, none that carry code. HDF5 can also point to other files of the host.
Each refusal names its rule:

    keras-class   a class that is not Keras' own, or that runs what the file says
    keras-link    an HDF5 link, or a data set's content, outside the file
    keras-config  no configuration, or one that cannot be read
    keras-layout  reading it crashes the HDF5 library, or never ends
"""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from model_tools.errors import RefusedError
from vision.zips import BROKEN_ZIP

_RUNS_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}
_LARGEST_CONFIG_BYTES = 64 << 20
_MODEL_CLASSES = {"Functional", "Sequential", "Model", "DTypePolicy"}
_PLAIN_VALUES = {"__bytes__", "__ellipsis__", "__keras_tensor__", "__numpy__", "__tensor__"}
# Not all of `keras.*`: keras.utils fetches files, keras.config can switch the safe mode off.
_MODULES = {
    f"keras.{part}"
    for part in (
        "activations", "constraints", "dtype_policies", "initializers", "layers", "models",
        "regularizers", "src.models.functional", "src.models.sequential",
    )
}  # fmt: skip


def check_keras_config(file: Path) -> None:
    """Refuse a configuration that names more than Keras' own layers.

    Raises:
        RefusedError: the first rule that it breaks.
    """
    for entry in _entries(_config(file)):
        name, module = str(entry["class_name"]), entry.get("module")
        if name in _RUNS_CODE:
            raise RefusedError("keras-class", f"the layer {name} runs what the file says")
        if name in _PLAIN_VALUES:
            continue
        registered = entry.get("registered_name")
        is_kerases = module in _MODULES or (module == "keras" and name in _MODEL_CLASSES)
        if module is None:
            # An older .h5: Keras looks the name up among its own.
            is_kerases = name.isidentifier()
        if not is_kerases or registered not in {None, name}:
            raise RefusedError(
                "keras-class",
                f"{module}.{name} is not a layer of Keras' own; "
                "export a SavedModel (model.export) instead",
            )


def check_layout(file: Path) -> None:
    """Refuse an HDF5 file, or the one inside a .keras, that points outside itself.

    Raises:
        RefusedError: keras-link or keras-config.
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
                raise RefusedError("keras-link", f"{name[:60]!r} is a {type(link).__name__}")
            member = current[name]
            if isinstance(member, h5py.Group):
                waiting.append(member)
            elif isinstance(member, h5py.Dataset) and (member.external or member.is_virtual):
                raise RefusedError("keras-link", f"{name[:60]!r} has its content in another file")


def _config(file: Path) -> Any:
    try:
        if file.suffix.lower() == ".keras":
            with zipfile.ZipFile(file) as packed:
                if packed.getinfo("config.json").file_size > _LARGEST_CONFIG_BYTES:
                    raise RefusedError("keras-config", "config.json is too large")
                return json.loads(packed.read("config.json"))
        with h5py.File(file, "r") as opened:
            text = opened.attrs.get("model_config")
        if text is None:
            raise RefusedError(
                "keras-config",
                f"{file.name} has weights only; save the whole model (model.save)",
            )
        return json.loads(text)
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
