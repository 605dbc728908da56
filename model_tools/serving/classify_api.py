"""Requests and responses of `:classify` and `:regress`: lists of `tf.Example`s as JSON objects.

Source: tensorflow/serving, docs/api_rest.md, "Classify and Regress API".
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.formats.tensors import Arrays
from model_tools.graph.messages import message_class
from model_tools.serving.http_types import RequestError
from model_tools.serving.json_tensors import is_binary, read_bytes
from model_tools.serving.signatures import ModelSignature

_CLASSES, _SCORES, _REGRESSED = "classes", "scores", "outputs"


def read_examples(document: Any, signature: ModelSignature) -> Arrays:
    """Return the serialized examples, [n] bytes objects, by the alias of the only input.

    Raises:
        RequestError: 400, the request has no examples, the signature does not take examples, or a
            value is neither a number nor a string.
    """
    if not isinstance(document, dict) or not isinstance(document.get("examples"), list):
        raise RequestError(400, "When method is classify or regress, the key 'examples' is a list")
    if not document["examples"]:
        raise RequestError(400, "'examples' has no element")
    context = document.get("context", {})
    if not isinstance(context, dict):
        raise RequestError(400, "'context' is not an object")
    if len(signature.inputs) != 1 or next(iter(signature.inputs.values())).dtype != "object":
        raise RequestError(400, f'the signature "{signature.key}" does not take tf.Examples')
    serialized = np.empty(len(document["examples"]), object)
    for number, example in enumerate(document["examples"]):
        if not isinstance(example, dict):
            raise RequestError(400, f"Example: {number} is not an object")
        serialized[number] = _serialize(context | example)
    return {next(iter(signature.inputs)): serialized}


def classifications(outputs: Arrays) -> list[list[list[Any]]]:
    """Return pairs of label and score by example; a missing label is "", a missing score is 0.

    The outputs `classes` (strings) and `scores` (numbers) have the shape [n, k].

    Raises:
        RequestError: 400, the model returns neither labels nor scores, or their shapes differ.
    """
    labels, scores = outputs.get(_CLASSES), outputs.get(_SCORES)
    shapes = {array.shape for array in (labels, scores) if array is not None}
    shape = shapes.pop() if len(shapes) == 1 else ()
    if len(shape) != len(("example", "class")):
        raise RequestError(
            400, "expected the outputs `classes` and `scores` of a classification, both [n, k]"
        )
    texts = np.full(shape, "") if labels is None else _texts(labels)
    numbers: npt.NDArray[Any] = np.zeros(shape) if scores is None else scores
    return [
        [list(pair) for pair in zip(*row, strict=True)]
        for row in zip(texts.tolist(), numbers.tolist(), strict=True)
    ]


def regressions(outputs: Arrays) -> list[float]:
    """Return one number for each example, from the output `outputs` of shape [n] or [n, 1].

    Raises:
        RequestError: 400, the model has other outputs.
    """
    values = outputs.get(_REGRESSED)
    if values is None or values.ndim == 0 or values.size != len(values):
        raise RequestError(400, "expected the output `outputs` of a regression, [n] or [n, 1]")
    return [float(value) for value in values.reshape(-1)]


def _serialize(features: dict[str, Any]) -> bytes:
    example = message_class("Example")()
    for name, value in features.items():
        values = value if isinstance(value, list) else [value]
        kinds = {_kind(item) for item in values}
        if len(kinds) > 1 or None in kinds:
            raise RequestError(
                400, f"feature {name}: expected a number, a string, or a flat list of one of them"
            )
        feature = example.features.feature[name]
        try:
            if kinds == {"int"}:
                feature.int64_list.value.extend(values)
            elif kinds == {"float"}:
                _require_float32(name, values)
                feature.float_list.value.extend(values)
            elif kinds == {"bytes"}:
                feature.bytes_list.value.extend(read_bytes(item) for item in values)
        except ValueError as error:
            raise RequestError(400, f"feature {name}: {error}") from None
    return bytes(example.SerializeToString(deterministic=True))


def _require_float32(name: str, values: list[float]) -> None:
    """Check that float32, the type of numbers in a tf.Example, can represent the values.

    Raises:
        RequestError: 400, a value would be infinite.
    """
    for value in values:
        if math.isfinite(value) and abs(value) > np.finfo(np.float32).max:
            raise RequestError(400, f"feature {name}: {value} is too large for float32")


def _kind(value: Any) -> str | None:
    if isinstance(value, str) or is_binary(value):
        return "bytes"
    if isinstance(value, float):
        return "float"
    # A bool is an int in Python, and is stored as an int in a tf.Example.
    return "int" if isinstance(value, int) else None


def _texts(labels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    flat = [
        value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
        for value in labels.reshape(-1)
    ]
    return np.array(flat, object).reshape(labels.shape)
