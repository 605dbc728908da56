"""Rules for untrusted graphs, checked before TensorFlow reads them.

Each error contains the name of its rule:

    graph-size      the numbers of nodes and functions are limited
    node-name       names are unique, and valid in TensorFlow
    dangling-input  the inputs of each node exist
    tensor-size     a constant is not far larger than its content
    output-size     constants do not make an output too large
    recursion       no function calls itself, directly or indirectly
    depth           chains of nodes and of calls are limited
    op-allowed      each operation that the model needs is on the allow-list
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

from model_tools.errors import RefusedError
from model_tools.graph.allowed_ops import ALLOWED_OPS
from model_tools.graph.outputs import check_outputs
from model_tools.graph.queries import is_node_name, needed_by, node_name, nodes_by_name

MOST_NODES = 200_000
MOST_FUNCTIONS = 20_000
DEEPEST_CALLS = 64
LONGEST_CHAIN = 20_000
# The maximum size of a constant that repeats its last value.
LARGEST_REPEATED_BYTES = 16 << 20
MOST_REPEATED_STRINGS = 1 << 16

# Bytes per element by DataType number of types.proto.
_ITEM_BYTES = {
    1: 4, 2: 8, 3: 4, 4: 1, 5: 2, 6: 1, 8: 8, 9: 8, 10: 1, 11: 1, 12: 1, 13: 4, 14: 2, 15: 1,
    16: 2, 17: 2, 18: 16, 19: 2, 22: 4, 23: 8,
}  # fmt: skip
_LARGEST_ITEM_BYTES = 16
_CHANGE_STATE = {
    "AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp", "RngReadAndSkip",
}  # fmt: skip
_STATE_ADVICE = (
    "each call changes the output of the next, as random augmentation does: save the model with "
    "model.save('model.keras') and give that file, or export it without augmentation, in Keras "
    "with keras.Model(i, model(i, training=False)).export(folder)"
)
_STRING, _HANDLES = 7, {20, 21}
_BACK_EDGES = {"NextIteration", "RefNextIteration"}


def check_structure(graph: Any) -> None:
    """Check the structure of a GraphDef; an unchecked graph could crash the importing process.

    Raises:
        RefusedError: the graph breaks a rule.
    """
    functions = graph.library.function
    nodes = len(graph.node) + sum(len(function.node_def) for function in functions)
    if nodes > MOST_NODES or len(functions) > MOST_FUNCTIONS:
        raise RefusedError(
            "graph-size",
            f"the graph has {nodes} nodes and {len(functions)} functions; the limits are "
            f"{MOST_NODES} and {MOST_FUNCTIONS}",
        )
    _check_names(graph)
    for node in all_nodes(graph):
        _check_tensors(node)
    check_outputs((graph.node, *(function.node_def for function in functions)))
    _check_calls(graph)
    _check_chains(graph)


def check_ops(graph: Any, outputs: Iterable[str], allowed: frozenset[str] = ALLOWED_OPS) -> None:
    """Check that outputs need only allowed operations, also in functions.

    Raises:
        RefusedError: an operation is not allowed; the message lists it and its nodes.
        SourceError: the graph does not contain an output.
    """
    nodes = nodes_by_name(graph)
    reached = [nodes[name] for name in needed_by(graph, outputs)]
    functions = {function.signature.name: function for function in graph.library.function}
    for name in called_functions(reached, functions):
        reached.extend(functions[name].node_def)
    refuse_ops((node for node in reached if node.op not in functions), allowed)


def called_functions(
    nodes: Iterable[Any], functions: dict[str, Any], *, nested: bool = True
) -> set[str]:
    """Return the names of functions that nodes call, with `nested` also the indirect calls."""
    called = _calls_of(nodes, functions)
    waiting = list(called) if nested else []
    while waiting:
        new = _calls_of(functions[waiting.pop()].node_def, functions) - called
        called |= new
        waiting.extend(new)
    return called


def refuse_ops(nodes: Iterable[Any], allowed: frozenset[str] = ALLOWED_OPS) -> None:
    """Check that the operations of the nodes are allowed.

    Raises:
        RefusedError: an operation is not allowed.
    """
    not_allowed: dict[str, list[str]] = {}
    for node in nodes:
        if node.op not in allowed:
            not_allowed.setdefault(node.op, []).append(node.name)
    if not_allowed:
        operations = ", ".join(
            f"{_quoted(op)} ({', '.join(map(_quoted, sorted(names)[:3]))})"
            for op, names in sorted(not_allowed.items())[:5]
        )
        changes_state = _CHANGE_STATE & not_allowed.keys()
        reason = _STATE_ADVICE if changes_state else "only pure computation is allowed"
        raise RefusedError("op-allowed", f"the model needs {operations}; {reason}")


def _quoted(name: str) -> str:
    """Return a name for an error message, truncated, and quoted if it is not printable."""
    short = name[:60]
    return short if short.isprintable() else repr(short)


def all_nodes(graph: Any) -> Iterator[Any]:
    """Yield every NodeDef, including those of functions."""
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def


def _check_names(graph: Any) -> None:
    names = Counter(node.name for node in graph.node)
    for name, count in names.items():
        if not is_node_name(name):
            raise RefusedError("node-name", f"{name[:60]!r} is not a valid name of a node")
        if count > 1:
            raise RefusedError(
                "node-name", f"{name[:60]!r} is the name of {count} nodes: expected one"
            )
    for node in graph.node:
        for reference in node.input:
            if node_name(reference) not in names:
                raise RefusedError(
                    "dangling-input",
                    f"{node.name[:60]} has the input {reference[:60]!r}, which does not exist",
                )


def _check_tensors(node: Any) -> None:
    for attribute in node.attr.values():
        tensors = [attribute.tensor] if attribute.HasField("tensor") else attribute.list.tensor
        for tensor in tensors:
            _check_tensor(node.name, tensor)


def _check_tensor(name: str, tensor: Any) -> None:
    sides = [dimension.size for dimension in tensor.tensor_shape.dim]
    if any(side < 0 for side in sides) or tensor.tensor_shape.unknown_rank:
        raise RefusedError(
            "tensor-size", f"the constant {name[:60]} has no known shape: {sides[:8]}"
        )
    if tensor.dtype in _HANDLES:
        raise RefusedError("tensor-size", f"the constant {name[:60]} is a handle, not a value")
    if tensor.dtype == _STRING:
        if prod(sides) > max(len(tensor.string_val), MOST_REPEATED_STRINGS):
            raise RefusedError(
                "tensor-size", f"the constant {name[:60]} declares {prod(sides)} strings"
            )
        return
    declared = prod(sides) * _ITEM_BYTES.get(tensor.dtype, _LARGEST_ITEM_BYTES)
    if declared > max(LARGEST_REPEATED_BYTES, tensor.ByteSize()):
        raise RefusedError(
            "tensor-size",
            f"the constant {name[:60]} declares {declared} bytes and contains {tensor.ByteSize()}",
        )


def _calls_of(nodes: Iterable[Any], functions: dict[str, Any]) -> set[str]:
    called = set()
    for node in nodes:
        if node.op in functions:
            called.add(node.op)
        for attribute in node.attr.values():
            for reference in (attribute.func, *attribute.list.func):
                if reference.name in functions:
                    called.add(reference.name)
    return called


def _check_calls(graph: Any) -> None:
    """Check recursion and the depth of calls, by an iterative depth-first search."""
    functions = {function.signature.name: function for function in graph.library.function}
    calls = {
        name: sorted(_calls_of(function.node_def, functions))
        for name, function in functions.items()
    }
    depth: dict[str, int] = {}
    for root in functions:
        open_calls = {root: iter(calls[root])}
        while open_calls:
            name = next(reversed(open_calls))
            callee = next((called for called in open_calls[name] if called not in depth), None)
            if callee is None:
                depth[name] = 1 + max((depth[called] for called in calls[name]), default=0)
                del open_calls[name]
                if depth[name] > DEEPEST_CALLS:
                    raise RefusedError(
                        "depth", f"the calls of {name[:60]} are over {DEEPEST_CALLS} deep"
                    )
            elif callee in open_calls:
                raise RefusedError("recursion", f"the function {callee[:60]} calls itself")
            else:
                open_calls[callee] = iter(calls[callee])


def _check_chains(graph: Any) -> None:
    """Check the length of chains in topological order; only NextIteration may close a loop."""
    consumers: dict[str, list[str]] = {}
    open_inputs: dict[str, int] = {}
    for node in graph.node:
        sources = {node_name(reference) for reference in node.input}
        open_inputs[node.name] = len(sources)
        for source in sources:
            consumers.setdefault(source, []).append(node.name)
    back = {node.name for node in graph.node if node.op in _BACK_EDGES}
    for name in back:
        for consumer in consumers.pop(name, []):
            open_inputs[consumer] -= 1
    length = {name: 1 for name, count in open_inputs.items() if count == 0}
    waiting = list(length)
    while waiting:
        name = waiting.pop()
        for consumer in consumers.get(name, []):
            length[consumer] = max(length.get(consumer, 0), length[name] + 1)
            open_inputs[consumer] -= 1
            if open_inputs[consumer] == 0:
                waiting.append(consumer)
    stuck = [name for name, count in open_inputs.items() if count > 0]
    if stuck:
        raise RefusedError("recursion", f"the node {stuck[0][:60]} depends on its own output")
    if max(length.values(), default=0) > LONGEST_CHAIN:
        raise RefusedError("depth", f"the graph has a chain of over {LONGEST_CHAIN} nodes")
