"""Requests and responses of `:predict`: rows (`instances`) or columns (`inputs`) of tensors.

Source: tensorflow/serving, docs/api_rest.md, "Predict API".
"""

from typing import Any

from model_tools.formats.tensors import Arrays
from model_tools.serving.http_types import RequestError
from model_tools.serving.json_tensors import is_binary, read_tensor, write_tensor
from model_tools.serving.signatures import ModelSignature

ROWS, COLUMNS = "instances", "inputs"
PREDICTIONS = "predictions"


def read_feed(document: Any, signature: ModelSignature) -> Arrays | None:
    """Return the arrays of a request, or None if it has no rows.

    Raises:
        RequestError: 400, the request does not match the signature.
    """
    if not isinstance(document, dict):
        raise RequestError(
            400, "JSON Value is not an object: expected one with 'inputs' or 'instances'"
        )
    given = [key for key in (ROWS, COLUMNS) if key in document]
    if len(given) != 1:
        quantity = "both" if given else "none"
        raise RequestError(
            400, f"JSON Value has {quantity} of 'inputs' and 'instances': expected exactly one"
        )
    if document.get(ROWS) == []:
        return None
    columns = (
        _columns_of(document[ROWS], signature)
        if given == [ROWS]
        else _named(document[COLUMNS], signature)
    )
    if columns.keys() != signature.inputs.keys():
        raise RequestError(
            400,
            f"the inputs {', '.join(sorted(columns)) or '(none)'} do not match the signature "
            f'"{signature.key}": expected {", ".join(signature.inputs)}',
        )
    return {
        alias: read_tensor(alias, columns[alias], spec) for alias, spec in signature.inputs.items()
    }


def write_outputs(outputs: Arrays, *, rows: bool) -> dict[str, Any]:
    """Return the JSON document of a response, in the format of the request.

    Raises:
        RequestError: 400, outputs have no rows, or unequal numbers of rows.
    """
    written = {alias: write_tensor(alias, array) for alias, array in outputs.items()}
    if not rows:
        return {"outputs": next(iter(written.values())) if len(written) == 1 else written}
    lengths = {alias: len(array) if array.ndim else None for alias, array in outputs.items()}
    if None in lengths.values() or len(set(lengths.values())) > 1:
        raise RequestError(
            400,
            f"the outputs have unequal numbers of rows ({lengths}): send 'inputs' instead of "
            "'instances'",
        )
    if len(written) == 1:
        return {PREDICTIONS: next(iter(written.values()))}
    return {
        PREDICTIONS: [
            dict(zip(written, row, strict=True)) for row in zip(*written.values(), strict=True)
        ]
    }


def _columns_of(rows: Any, signature: ModelSignature) -> dict[str, Any]:
    if not isinstance(rows, list):
        raise RequestError(400, "'instances' is not a list")
    objects = [isinstance(row, dict) and not is_binary(row) for row in rows]
    if not any(objects):
        return {_only(signature): rows}
    if not all(objects):
        raise RequestError(400, "'instances' mixes objects and plain values")
    names = rows[0].keys()
    for number, row in enumerate(rows):
        if row.keys() != names:
            raise RequestError(
                400,
                f"Failed to process element: {number} of 'instances' list: it has the keys "
                f"{', '.join(sorted(row))}, the first one {', '.join(sorted(names))}",
            )
    return {name: [row[name] for row in rows] for name in names}


def _named(value: Any, signature: ModelSignature) -> dict[str, Any]:
    if isinstance(value, dict) and not is_binary(value):
        return value
    return {_only(signature): value}


def _only(signature: ModelSignature) -> str:
    if len(signature.inputs) != 1:
        raise RequestError(
            400,
            f'the signature "{signature.key}" has the inputs '
            f"{', '.join(signature.inputs) or '(none)'}: expected an object with these names",
        )
    return next(iter(signature.inputs))
