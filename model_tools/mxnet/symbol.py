"""MXNet's graph, `model-symbol.json`, and the shapes of its inputs, read without MXNet.

Source: apache/mxnet, nnvm/src/pass/saveload_json.cc; SageMaker's MXNet container, for the shapes.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_tools.errors import RefusedError, SourceError
from model_tools.regular_files import check_regular
from shared.artifact.strict_json import parse_json

MOST_NODES = 100_000
MOST_BYTES = 64 << 20
_MOST_SIDES = 32
_ENTRY = (2, 3)
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_SIDES = re.compile(rf"\s*[(\[]?\s*{_INTEGER.pattern}\s*(,\s*{_INTEGER.pattern}\s*)*,?\s*[)\]]?\s*")


@dataclass(frozen=True)
class SymbolNode:
    """A node of the graph; variables have the op `null`."""

    name: str
    op: str
    attributes: dict[str, str]
    # Names of the input nodes, in the order of the op's arguments.
    inputs: tuple[str, ...]

    def sides(self, attribute: str) -> tuple[int, ...] | None:
        """Return the integers of an attribute such as "(3, 3)"; None if absent or not integers."""
        text = self.attributes.get(attribute, "")
        return tuple(map(int, _INTEGER.findall(text))) if _SIDES.fullmatch(text) else None

    def number(self, attribute: str) -> int | None:
        """Return an integer attribute such as "64"; None if it is absent or in another format."""
        sides = self.sides(attribute)
        return sides[0] if sides and len(sides) == 1 else None


def read_symbol(file: Path) -> dict[str, SymbolNode]:
    """Return the nodes by name, each after its inputs.

    Raises:
        SourceError: the file is not a symbol.
        RefusedError: the file breaks the rule symbol-size.
    """
    document = _read(file)
    nodes = document.get("nodes") if isinstance(document, dict) else None
    heads = document.get("heads") if isinstance(document, dict) else None
    if not isinstance(nodes, list) or not nodes or not isinstance(heads, list) or not heads:
        raise SourceError(f"{file.name} is not an MXNet symbol: expected `nodes` and `heads`")
    if len(nodes) > MOST_NODES:
        raise RefusedError("symbol-size", f"{len(nodes)} nodes (max {MOST_NODES})")
    names: list[str] = []
    by_name: dict[str, SymbolNode] = {}
    for number, document in enumerate(nodes):
        node = _node(file, number, document, names)
        if node.name in by_name:
            raise SourceError(f"{file.name} contains two nodes with the name {node.name!r}")
        names.append(node.name)
        by_name[node.name] = node
    for head in heads:
        _entry(file, "the heads", head, len(nodes))
    return by_name


def read_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the inputs' shapes by name, from `[{"name": "data", "shape": [1, 3, 224, 224]}]`.

    Raises:
        SourceError: the file is in another format.
    """
    document = _read(file)
    not_a_list = (
        f"{file.name} is not a list of shapes: expected a list such as "
        '[{"name": "data", "shape": [1, 3, 224, 224]}]'
    )
    if not isinstance(document, list) or not document:
        raise SourceError(not_a_list)
    shapes: dict[str, tuple[int, ...]] = {}
    for entry in document:
        name, shape = (
            (entry.get("name"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
        )
        if not isinstance(name, str) or not isinstance(shape, list) or len(shape) > _MOST_SIDES:
            raise SourceError(not_a_list)
        if not shape or not all(type(side) is int and side > 0 for side in shape):
            raise SourceError(
                f"{file.name}: {shape} is not a valid shape of {name!r}: expected sides above 0"
            )
        if name in shapes:
            raise SourceError(f"{file.name} contains {name!r} twice")
        shapes[name] = tuple(shape)
    return shapes


def _read(file: Path) -> Any:
    check_regular(file)
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise RefusedError("symbol-size", f"{file.name} has {size} bytes (max {MOST_BYTES})")
    try:
        return parse_json(file.read_bytes())
    except ValueError as error:
        raise SourceError(f"{file.name} is not JSON: {error}") from None


def _node(file: Path, number: int, document: Any, previous: list[str]) -> SymbolNode:
    fields = document if isinstance(document, dict) else {}
    name, op, entries = fields.get("name"), fields.get("op"), fields.get("inputs", [])
    # The key is `attrs` in MXNet 1.x, and `attr` and `param` in earlier versions.
    attributes: dict[str, Any] = {}
    for key in ("param", "attr", "attrs"):
        part = {} if fields.get(key) is None else fields[key]
        if not isinstance(part, dict):
            raise SourceError(f"{file.name}: {key} of node {number} is not an object")
        attributes |= part
    if not isinstance(name, str) or not isinstance(op, str) or not isinstance(entries, list):
        raise SourceError(f"{file.name}: node {number} is not valid: expected name, op and inputs")
    inputs = tuple(
        previous[_entry(file, f"the inputs of {name!r}", entry, number)] for entry in entries
    )
    return SymbolNode(name, op, {key: str(value) for key, value in attributes.items()}, inputs)


def _entry(file: Path, where: str, entry: Any, below: int) -> int:
    if (
        not isinstance(entry, list)
        or len(entry) not in _ENTRY
        or not all(type(item) is int for item in entry)
        or not 0 <= entry[0] < below
    ):
        raise SourceError(
            f"{file.name}: {where} contain {str(entry)[:60]}: expected the number of a previous "
            "node"
        )
    return int(entry[0])
