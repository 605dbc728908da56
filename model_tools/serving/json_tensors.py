"""Conversion between JSON values and arrays, as in TensorFlow Serving's REST API.

Source: tensorflow/serving, docs/api_rest.md, "Encoding binary values" and "JSON mapping".
"""

import base64
import binascii
from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.formats.tensors import TensorSpec
from model_tools.images import image_limit
from model_tools.serving.http_types import RequestError
from shared.artifact.errors import SizeError
from shared.vision.images import check_encoded

_BYTES_SUFFIX = "_bytes"
_LONGEST_SHOWN = 60
# Allowed conversions of a JSON list: kinds of NumPy dtypes by the kind that NumPy infers.
_CONVERTIBLE = {"f": "f", "i": "fiu", "u": "fiu", "b": "b"}


def is_binary(value: Any) -> bool:
    """Return whether a value is `{"b64": …}`, and not, for example, an object of named tensors."""
    return isinstance(value, dict) and value.keys() == {"b64"}


def read_bytes(value: Any) -> bytes:
    """Return the bytes of a JSON string or of `{"b64": …}`.

    Raises:
        RequestError: 400, the value has neither form, or is an image above the limit.
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
    """Check the size of an encoded image before the model decodes it; accept all other content.

    Raises:
        RequestError: 400, the image is above the limit.
    """
    try:
        check_encoded(content, image_limit())
    except SizeError as error:
        raise RequestError(400, f"The image is too large: {error}") from None


def read_tensor(alias: str, value: Any, spec: TensorSpec) -> npt.NDArray[Any]:
    """Return an array of the tensor's dtype, with the shape of the lists.

    Raises:
        RequestError: 400, the lists have unequal lengths, JSON cannot represent the dtype, or a
            value has another type or is out of range.
    """
    if spec.dtype == "object":
        return _strings(alias, value)
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise RequestError(
            400, f"Tensor name: {alias} has lists of unequal lengths, or a number too large"
        ) from None
    if array.size == 0:
        array = array.astype(np.int64)
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError:
        raise RequestError(
            400, f"Tensor name: {alias} has the type {spec.dtype}, which JSON cannot represent"
        ) from None
    is_valid = dtype.kind in _CONVERTIBLE.get(array.dtype.kind, "")
    if is_valid and dtype.kind in "iu" and array.size:
        limits = np.iinfo(dtype)
        is_valid = limits.min <= int(array.min()) and int(array.max()) <= limits.max
    if not is_valid:
        raise RequestError(
            400, f"JSON Value: {_shown(value)} of {alias} is not of expected type: {spec.dtype}"
        )
    return _converted(alias, array, dtype)


def _converted(alias: str, array: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if dtype.kind == "f" and np.any(np.isinf(converted) & np.isfinite(array)):
        raise RequestError(400, f"Tensor name: {alias} has a number too large for {dtype}")
    return converted


def write_tensor(alias: str, array: npt.NDArray[Any]) -> Any:
    """Return an array as nested lists.

    Strings become JSON strings. If they are not UTF-8 or the alias ends with `_bytes`, they become
    `{"b64": …}`.
    """
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
    while level and all(isinstance(item, list) for item in level):
        lengths = {len(item) for item in level}
        if len(lengths) != 1:
            raise RequestError(400, f"Tensor name: {alias} has lists of unequal lengths")
        shape.append(lengths.pop())
        level = [inner for item in level for inner in item]
    array = np.empty(len(level), object)
    array[:] = [read_bytes(item) for item in level]
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
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
