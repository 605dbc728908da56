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
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_SIDES = re.compile(rf"\s*[(\[]?\s*{_WHOLE.pattern}\s*(,\s*{_WHOLE.pattern}\s*)*,?\s*[)\]]?\s*")


@dataclass(frozen=True)
class Node:
    """One node; a variable has the op `null`."""

    name: str
    op: str
    attributes: dict[str, str]
    # Names of the nodes that it takes, in its op's order.
    inputs: tuple[str, ...]

    def sides(self, attribute: str) -> tuple[int, ...] | None:
        """Return an attribute such as "(3, 3)"; None: it is not there, or is none."""
        text = self.attributes.get(attribute, "")
        return tuple(map(int, _WHOLE.findall(text))) if _SIDES.fullmatch(text) else None

    def number(self, attribute: str) -> int | None:
        """Return an attribute such as "64"."""
        sides = self.sides(attribute)
        return sides[0] if sides and len(sides) == 1 else None


def read_symbol(file: Path) -> dict[str, Node]:
    """Return the nodes by name, each after those that it takes.

    Raises:
        SourceError: it is no symbol.
        RefusedError: symbol-size: it is far too large.
    """
    document = _read(file)
    nodes = document.get("nodes") if isinstance(document, dict) else None
    heads = document.get("heads") if isinstance(document, dict) else None
    if not isinstance(nodes, list) or not nodes or not isinstance(heads, list) or not heads:
        raise SourceError(f"{file.name} is no MXNet symbol: it has no nodes and heads")
    if len(nodes) > MOST_NODES:
        raise RefusedError("symbol-size", f"{len(nodes)} nodes; at most {MOST_NODES} are read")
    names: list[str] = []
    found: dict[str, Node] = {}
    for number, node in enumerate(nodes):
        read = _node(file, number, node, names)
        if read.name in found:
            raise SourceError(f"{file.name} has two nodes called {read.name!r}")
        names.append(read.name)
        found[read.name] = read
    for head in heads:
        _entry(file, "the heads", head, len(nodes))
    return found


def read_shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Return the inputs' shapes by name, of `[{"name": "data", "shape": [1, 3, 224, 224]}]`.

    Raises:
        SourceError: it is something else.
    """
    document = _read(file)
    expected = f'{file.name} is a list such as [{{"name": "data", "shape": [1, 3, 224, 224]}}]'
    if not isinstance(document, list) or not document:
        raise SourceError(expected)
    found: dict[str, tuple[int, ...]] = {}
    for entry in document:
        name, shape = (
            (entry.get("name"), entry.get("shape")) if isinstance(entry, dict) else (None, None)
        )
        if not isinstance(name, str) or not isinstance(shape, list) or len(shape) > _MOST_SIDES:
            raise SourceError(expected)
        if not shape or not all(type(side) is int and side > 0 for side in shape):
            raise SourceError(f"{file.name}: the shape of {name!r} is {shape}; sides are above 0")
        if name in found:
            raise SourceError(f"{file.name} has {name!r} twice")
        found[name] = tuple(shape)
    return found


def _read(file: Path) -> Any:
    check_regular(file)
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise RefusedError("symbol-size", f"{file.name} has {size} bytes; at most {MOST_BYTES}")
    try:
        return parse_json(file.read_bytes())
    except ValueError as error:
        raise SourceError(f"{file.name} is no JSON: {error}") from None


def _node(file: Path, number: int, node: Any, before: list[str]) -> Node:
    given = node if isinstance(node, dict) else {}
    name, op, inputs = given.get("name"), given.get("op"), given.get("inputs", [])
    # MXNet 1.x says attrs; its forerunners attr, and param besides.
    attributes: dict[str, Any] = {}
    for key in ("param", "attr", "attrs"):
        part = {} if given.get(key) is None else given[key]
        if not isinstance(part, dict):
            raise SourceError(f"{file.name}: {key} of node {number} is no object")
        attributes |= part
    if not isinstance(name, str) or not isinstance(op, str) or not isinstance(inputs, list):
        raise SourceError(f"{file.name}: node {number} has no name, op and inputs")
    taken = tuple(
        before[_entry(file, f"the inputs of {name!r}", entry, number)] for entry in inputs
    )
    return Node(name, op, {key: str(value) for key, value in attributes.items()}, taken)


def _entry(file: Path, where: str, entry: Any, below: int) -> int:
    if (
        not isinstance(entry, list)
        or len(entry) not in _ENTRY
        or not all(type(one) is int for one in entry)
        or not 0 <= entry[0] < below
    ):
        raise SourceError(f"{file.name}: {where} have {str(entry)[:60]}, which is no node before")
    return int(entry[0])
