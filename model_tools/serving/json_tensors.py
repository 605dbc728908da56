"""JSON values ↔ arrays, as TensorFlow Serving's REST API has them.

Source: tensorflow/serving, docs/api_rest.md, "Encoding binary values" and "JSON mapping".
"""

import base64
import binascii
from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.pictures import image_limit
from model_tools.serving.answers import RequestError
from model_tools.sources.tensors import TensorSpec
from shared.artifact.errors import SizeError
from shared.vision.images import check_encoded

_BYTES_SUFFIX = "_bytes"
# JSON has no types but these; NumPy's own for what a list holds → what it may become.
_FITTING = {"f": "f", "i": "fiu", "u": "fiu", "b": "b"}


def is_binary(value: Any) -> bool:
    """Tell `{"b64": …}` from an object of named tensors."""
    return isinstance(value, dict) and value.keys() == {"b64"}


def read_bytes(value: Any) -> bytes:
    """Return what a JSON string, or `{"b64": …}`, stands for.

    Raises:
        RequestError: 400, it is neither, or an image above the limit.
    """
    if isinstance(value, str):
        return value.encode()
    if is_binary(value) and isinstance(value["b64"], str):
        try:
            content = base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise RequestError(400, f"Unable to base64 decode: {error}") from None
        require_image_within_limit(content)
        return content
    raise RequestError(400, f"JSON Value: {_shown(value)} is not of expected type: string")


def require_image_within_limit(content: bytes) -> None:
    """Check an encoded image's size before the model decodes it; other content passes.

    Raises:
        RequestError: 400, the image is above the limit.
    """
    try:
        check_encoded(content, image_limit())
    except SizeError as error:
        raise RequestError(400, f"The image is too large: {error}") from None


def read_tensor(alias: str, value: Any, spec: TensorSpec) -> npt.NDArray[Any]:
    """Return an array of the tensor's dtype; its shape is the lists'.

    Raises:
        RequestError: 400, lists of unequal lengths, or another type.
    """
    if spec.dtype == "object":
        return _strings(alias, value)
    try:
        found = np.asarray(value)
    except (ValueError, OverflowError):
        raise RequestError(
            400, f"Tensor name: {alias} has lists of unequal lengths, or a number too large"
        ) from None
    if found.size == 0:
        found = found.astype(np.int64)
    try:
        wanted = np.dtype(spec.dtype)
    except TypeError:
        raise RequestError(400, f"{alias} is {spec.dtype}, which JSON cannot give") from None
    fits = wanted.kind in _FITTING.get(found.dtype.kind, "")
    if fits and wanted.kind in "iu" and found.size:
        limits = np.iinfo(wanted)
        fits = limits.min <= int(found.min()) and int(found.max()) <= limits.max
    if not fits:
        raise RequestError(
            400, f"JSON Value: {_shown(value)} of {alias} is not of expected type: {spec.dtype}"
        )
    return _converted(alias, found, wanted)


def _converted(alias: str, found: npt.NDArray[Any], wanted: np.dtype[Any]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):
        converted = found.astype(wanted)
    if wanted.kind == "f" and np.any(np.isinf(converted) & np.isfinite(found)):
        raise RequestError(400, f"Tensor name: {alias} has a number too large for {wanted}")
    return converted


def write_tensor(alias: str, array: npt.NDArray[Any]) -> Any:
    """Return nested lists; strings as text, or base64 if the alias ends with `_bytes`."""
    if array.dtype.kind in "OSU":
        encode = _binary if alias.endswith(_BYTES_SUFFIX) else _text
        flat = [encode(value) for value in array.reshape(-1)]
        boxed = np.empty(len(flat), object)
        boxed[:] = flat
        return boxed.reshape(array.shape).tolist()
    return array.tolist()


def _strings(alias: str, value: Any) -> npt.NDArray[Any]:
    shape: list[int] = []
    level = [value]
    while level and all(isinstance(one, list) for one in level):
        lengths = {len(one) for one in level}
        if len(lengths) != 1:
            raise RequestError(400, f"Tensor name: {alias} has lists of unequal lengths")
        shape.append(lengths.pop())
        level = [inner for one in level for inner in one]
    array = np.empty(len(level), object)
    array[:] = [read_bytes(one) for one in level]
    return array.reshape(shape)


def _binary(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode()}


def _text(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return _binary(value)


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"  # noqa: PLR2004 - enough to see it
