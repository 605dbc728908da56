"""The signatures of a SavedModel, read from its SignatureDefs without TensorFlow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from model_tools.errors import SourceError
from model_tools.formats.detect import find_model
from model_tools.formats.keras_file import KERAS_SUFFIXES, keras_export
from model_tools.formats.saved_model import SavedModel
from model_tools.formats.signatures import SERVING_DEFAULT, Choice
from model_tools.formats.tensors import TensorSpec
from model_tools.formats.trimming import SAVED_MODEL_NAME
from model_tools.sandbox import Limits, isolated

PREDICT, CLASSIFY, REGRESS = (
    f"tensorflow/serving/{method}" for method in ("predict", "classify", "regress")
)

# NumPy dtypes by DataType number of types.proto. Strings are arrays of bytes objects.
_DTYPES = {
    1: "float32", 2: "float64", 3: "int32", 4: "uint8", 5: "int16", 6: "int8", 7: "object",
    9: "int64", 10: "bool", 17: "uint16", 19: "float16", 22: "uint32", 23: "uint64",
}  # fmt: skip


@dataclass(frozen=True)
class ModelSignature:
    """A SignatureDef, with tensors by alias."""

    key: str
    # The SignatureDef's method_name, such as `CLASSIFY`; `PREDICT` if it is empty.
    method: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


@dataclass(frozen=True)
class Servable:
    """A SavedModel that complies with every rule for untrusted models."""

    folder: Path
    signatures: dict[str, ModelSignature]
    # All SignatureDefs in protobuf's JSON, as in TensorFlow Serving's metadata.
    signature_def: dict[str, Any]


def read_servable(folder: Path) -> Servable:
    """Check a SavedModel, and read its signatures.

    Raises:
        SourceError: the folder is not a complete SavedModel.
        RefusedError: the model breaks a rule of `model_tools.graph.rules`.
    """
    for file in sorted(folder.glob("*")):
        if file.suffix in KERAS_SUFFIXES and not (folder / SAVED_MODEL_NAME).is_file():
            raise SourceError(
                f"{file} is a Keras file: expected a SavedModel; {keras_export(file, str(folder))}"
            )
    files = find_model(folder / SAVED_MODEL_NAME, folder)
    if not isinstance(files, SavedModel):  # pragma: no cover
        raise SourceError(f"{folder} is not a SavedModel")
    meta = files.check_all_signatures(Choice())
    return Servable(
        folder,
        {
            key: _signature(key, definition)
            for key, definition in sorted(meta.signature_def.items())
            if definition.outputs and not key.startswith("__")
        },
        {
            key: MessageToDict(
                meta.signature_def[key],
                preserving_proto_field_name=True,
                always_print_fields_with_no_presence=True,
            )
            for key in sorted(meta.signature_def)
        },
    )


def read_servable_isolated(folder: Path) -> Servable:
    """Check and read a SavedModel in a limited process, so that no model can crash the server.

    Raises:
        SourceError, RefusedError: see `read_servable`.
        IsolationError: the process reached a limit.
    """
    return isolated(read_servable, folder, limits=Limits.for_files(folder))


def default_key(servable: Servable) -> str:
    """Return the key of the signature for requests without a signature name."""
    keys = list(servable.signatures)
    return keys[0] if len(keys) == 1 else SERVING_DEFAULT


def _signature(key: str, definition: Any) -> ModelSignature:
    return ModelSignature(
        key,
        definition.method_name or PREDICT,
        {alias: _spec(info) for alias, info in sorted(definition.inputs.items())},
        {alias: _spec(info) for alias, info in sorted(definition.outputs.items())},
    )


def _spec(info: Any) -> TensorSpec:
    shape = info.tensor_shape
    sides = None if shape.unknown_rank else tuple(_side(dim.size) for dim in shape.dim)
    return TensorSpec(info.name, _DTYPES.get(info.dtype, f"DataType {info.dtype}"), sides)


def _side(size: int) -> int | None:
    return None if size < 0 else size
