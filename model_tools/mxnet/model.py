"""Whether a symbol, its parameters and its inputs' shapes belong together."""

from dataclasses import dataclass
from math import prod
from pathlib import Path

from model_tools.errors import SourceError
from model_tools.mxnet.params import Parameter, read_parameters
from model_tools.mxnet.symbol import Node, read_shapes, read_symbol

SYMBOL, PARAMETERS, SHAPES = FILES = (
    "model-symbol.json",
    "model-0000.params",
    "model-shapes.json",
)
_WHERE_FROM = {
    SYMBOL: "module.save_checkpoint('model', 0) or net.export('model', 0) writes it",
    PARAMETERS: "module.save_checkpoint('model', 0) or net.export('model', 0) writes it",
    SHAPES: 'it says what the inputs are: [{"name": "data", "shape": [1, 3, 224, 224]}]',
}
_MOST_SHOWN = 4
_BATCH_AND_FEATURES = 2
_SLOTS = {"weight": 1, "bias": 2}


@dataclass(frozen=True)
class MxnetModel:
    """What was validated."""

    inputs: dict[str, tuple[int, ...]]
    parameters: int


def read_mxnet(folder: Path) -> MxnetModel:
    """Read and compare the three files of a model.

    Raises:
        SourceError: one is missing or broken, or they do not belong together.
        RefusedError: one breaks a rule of `ndarrays` or `symbols`.
    """
    for name in FILES:
        if not (folder / name).is_file():
            raise SourceError(f"{folder} has no {name}: {_WHERE_FROM[name]}")
    nodes = read_symbol(folder / SYMBOL)
    shapes = read_shapes(folder / SHAPES)
    parameters = _by_plain_name(read_parameters(folder / PARAMETERS))
    variables = {name for name, node in nodes.items() if node.op == "null"}
    _check_names(variables, set(parameters), set(shapes))
    for node in nodes.values():
        _check_node(node, parameters, shapes)
        _check_declared(node, parameters, shapes)
    return MxnetModel(shapes, sum(prod(one.shape) for one in parameters.values()))


def _by_plain_name(parameters: dict[str, Parameter]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for name, parameter in parameters.items():
        kind, separator, plain = name.partition(":")
        if not separator or kind not in {"arg", "aux"} or plain in found:
            raise SourceError(
                f"{PARAMETERS}: {name!r} is no parameter of a symbol (arg:… or aux:…, each once); "
                "net.save_parameters() writes such a file, net.export() the right one"
            )
        found[plain] = parameter
    return found


def _check_names(variables: set[str], parameters: set[str], shapes: set[str]) -> None:
    if stray := parameters - variables:
        raise SourceError(
            f"{PARAMETERS} is of another symbol: {_some(stray)} is not in {SYMBOL}; "
            "take both from the same save_checkpoint or export"
        )
    # A loss takes labels, which nobody has when the model is asked.
    inputs = {name for name in variables - parameters if not name.endswith("_label")}
    if missing := shapes - inputs:
        known = ", ".join(sorted(inputs)) or "none"
        raise SourceError(
            f"{SHAPES} names {_some(missing)}, which is no input of {SYMBOL}; its inputs: {known}"
        )
    if missing := inputs - shapes:
        raise SourceError(
            f"{_some(missing)} of {SYMBOL} has no value: if it is an input, {SHAPES} says its "
            f"shape; if it is a parameter, {PARAMETERS} is of another symbol"
        )


def _check_declared(
    node: Node, parameters: dict[str, Parameter], shapes: dict[str, tuple[int, ...]]
) -> None:
    """Compare the shape that a variable's author wrote down; 0 and -1 leave a side open."""
    declared = node.sides("__shape__")
    if node.op != "null" or declared is None:
        return
    file = SHAPES if node.name in shapes else PARAMETERS
    found = shapes.get(node.name) or (
        parameters[node.name].shape if node.name in parameters else None
    )
    if found is not None and not _agree(declared, found):
        raise SourceError(
            f"{file}: {node.name} is {list(found)}, {SYMBOL} says {list(declared)} (0: any)"
        )


def _check_node(
    node: Node, parameters: dict[str, Parameter], shapes: dict[str, tuple[int, ...]]
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
        takes = f"{node.inputs[slot]} is {list(parameter.shape)} in {PARAMETERS}"
        if (
            data is not None
            and role == "weight"
            and _agree((shape[0], 0, *shape[2:]), parameter.shape)
        ):
            raise SourceError(
                f"{SHAPES}: {node.inputs[0]} is {list(data)}, which {node.name} of {SYMBOL} cannot "
                f"take: {takes}, and {list(shape)} would be needed"
            )
        raise SourceError(
            f"{PARAMETERS} is of another symbol: {takes}, {node.name} of {SYMBOL} has "
            f"{list(shape)} (0: any)"
        )


def _channels(node: Node, kernel: tuple[int, ...], data: tuple[int, ...] | None) -> int:
    """Return those of the picture; 0: they are not known here."""
    if data is None:
        return 0
    if len(data) != len(kernel) + 2:
        raise SourceError(
            f"{SHAPES}: {node.inputs[0]} is {list(data)}; {node.name} of {SYMBOL} takes "
            f"{len(kernel) + 2} sides: batch, channels, and {len(kernel)} of the picture"
        )
    return data[1]


def _agree(wanted: tuple[int, ...], found: tuple[int, ...]) -> bool:
    return len(wanted) == len(found) and all(
        one in (0, -1, other) for one, other in zip(wanted, found, strict=True)
    )


def _some(names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:_MOST_SHOWN])
    rest = len(names) - _MOST_SHOWN
    return f"{shown} (and {rest} more)" if rest > 0 else shown
