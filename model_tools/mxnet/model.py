"""Check that a symbol, its parameters and its input shapes are consistent."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from model_tools.errors import SourceError
from model_tools.mxnet.params import MxnetParameter, read_parameters
from model_tools.mxnet.symbol import SymbolNode, read_shapes, read_symbol

SYMBOL, PARAMETERS, SHAPES = FILES = (
    "model-symbol.json",
    "model-0000.params",
    "model-shapes.json",
)
_HOW_TO_WRITE = {
    SYMBOL: "module.save_checkpoint('model', 0) or net.export('model', 0) writes it",
    PARAMETERS: "module.save_checkpoint('model', 0) or net.export('model', 0) writes it",
    SHAPES: 'it contains the inputs: [{"name": "data", "shape": [1, 3, 224, 224]}]',
}
_MOST_SHOWN = 4
_BATCH_AND_FEATURES = 2
_SLOTS = {"weight": 1, "bias": 2}


@dataclass(frozen=True)
class MxnetModel:
    """A model whose files are valid and consistent.

    Attributes:
        inputs: shapes by name.
        parameters: the number of values in all parameter arrays.
    """

    inputs: dict[str, tuple[int, ...]]
    parameters: int


def read_mxnet(folder: Path) -> MxnetModel:
    """Read and compare the three files of a model.

    Raises:
        SourceError: a file is missing or not valid, or the files are inconsistent.
        RefusedError: a file exceeds a limit, or contains a name or value that is not allowed; see
            `params` and `symbol`.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise SourceError(f"{folder} has no {name}: {_HOW_TO_WRITE[name]}")
    nodes = read_symbol(folder / SYMBOL)
    shapes = read_shapes(folder / SHAPES)
    parameters = _by_plain_name(read_parameters(folder / PARAMETERS))
    variables = {name for name, node in nodes.items() if node.op == "null"}
    _check_names(variables, set(parameters), set(shapes))
    for node in nodes.values():
        _check_node(node, parameters, shapes)
        _check_declared(node, parameters, shapes)
    return MxnetModel(shapes, sum(prod(parameter.shape) for parameter in parameters.values()))


def _by_plain_name(parameters: dict[str, MxnetParameter]) -> dict[str, MxnetParameter]:
    by_name: dict[str, MxnetParameter] = {}
    for name, parameter in parameters.items():
        kind, separator, plain = name.partition(":")
        if not separator or kind not in {"arg", "aux"} or plain in by_name:
            raise SourceError(
                f"{PARAMETERS}: {name!r} is not a parameter of a symbol: expected arg:… or aux:…, "
                "each once; write the file with net.export(), not with net.save_parameters()"
            )
        by_name[plain] = parameter
    return by_name


def _check_names(variables: set[str], parameters: set[str], shapes: set[str]) -> None:
    if stray := parameters - variables:
        raise SourceError(
            f"{PARAMETERS} belongs to another symbol: {_some(stray)} is not in {SYMBOL}; "
            "write both with the same save_checkpoint or export"
        )
    # Labels are inputs of the loss only. Inference does not compute the loss, so labels need no
    # shape.
    inputs = {name for name in variables - parameters if not name.endswith("_label")}
    if missing := shapes - inputs:
        expected = ", ".join(sorted(inputs)) or "none"
        raise SourceError(
            f"{SHAPES} contains {_some(missing)}, which is not an input of {SYMBOL}: expected "
            f"{expected}"
        )
    if missing := inputs - shapes:
        raise SourceError(
            f"{_some(missing)} of {SYMBOL} has no value: if it is an input, add its shape to "
            f"{SHAPES}; if it is a parameter, {PARAMETERS} belongs to another symbol"
        )


def _check_declared(
    node: SymbolNode, parameters: dict[str, MxnetParameter], shapes: dict[str, tuple[int, ...]]
) -> None:
    """Compare a variable's shape with the shape in the symbol, where 0 and -1 match any side."""
    declared = node.sides("__shape__")
    if node.op != "null" or declared is None:
        return
    file = SHAPES if node.name in shapes else PARAMETERS
    actual = shapes.get(node.name) or (
        parameters[node.name].shape if node.name in parameters else None
    )
    if actual is not None and not _agree(declared, actual):
        raise SourceError(
            f"{file}: the shape of {node.name} is {list(actual)}, and {SYMBOL} requires "
            f"{list(declared)} (0: any)"
        )


def _check_node(
    node: SymbolNode, parameters: dict[str, MxnetParameter], shapes: dict[str, tuple[int, ...]]
) -> None:
    expected: dict[str, tuple[int, ...]] = {}
    data = shapes.get(node.inputs[0]) if node.inputs else None
    if node.op == "Convolution" and (filters := node.number("num_filter")) is not None:
        expected["bias"] = (filters,)
        if not node.attributes.get("layout", "NCHW").endswith("C"):
            kernel = node.sides("kernel") or ()
            channels = _channels(node, kernel, data)
            expected["weight"] = (filters, channels // (node.number("num_group") or 1), *kernel)
    elif node.op == "FullyConnected" and (hidden := node.number("num_hidden")) is not None:
        flat = node.attributes.get("flatten", "True") in {"True", "1"}
        width = 0
        if data is not None and len(data) >= _BATCH_AND_FEATURES:
            width = prod(data[1:]) if flat else data[-1]
        expected = {"weight": (hidden, width), "bias": (hidden,)}
    for role, shape in expected.items():
        slot = _SLOTS[role]
        parameter = parameters.get(node.inputs[slot]) if slot < len(node.inputs) else None
        if parameter is None or _agree(shape, parameter.shape):
            continue
        actual = f"{node.inputs[slot]} is {list(parameter.shape)} in {PARAMETERS}"
        if (
            data is not None
            and role == "weight"
            and _agree((shape[0], 0, *shape[2:]), parameter.shape)
        ):
            raise SourceError(
                f"{SHAPES}: the shape {list(data)} of {node.inputs[0]} does not match {node.name} "
                f"of {SYMBOL}: {actual}, and the shape requires {list(shape)}"
            )
        raise SourceError(
            f"{PARAMETERS} belongs to another symbol: {actual}, and {node.name} of {SYMBOL} "
            f"requires {list(shape)} (0: any)"
        )


def _channels(node: SymbolNode, kernel: tuple[int, ...], data: tuple[int, ...] | None) -> int:
    """Return the number of the image's channels, or 0 if it is unknown."""
    if data is None:
        return 0
    if len(data) != len(kernel) + 2:
        raise SourceError(
            f"{SHAPES}: the shape {list(data)} of {node.inputs[0]} is not valid for {node.name} of "
            f"{SYMBOL}: expected {len(kernel) + 2} sides (batch, channels, and {len(kernel)} of "
            "the image)"
        )
    return data[1]


def _agree(expected: tuple[int, ...], actual: tuple[int, ...]) -> bool:
    return len(expected) == len(actual) and all(
        side in (0, -1, actual_side) for side, actual_side in zip(expected, actual, strict=True)
    )


def _some(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:_MOST_SHOWN])
    rest = len(names) - _MOST_SHOWN
    return f"{shown} (and {rest} more)" if rest > 0 else shown
