"""Replace `tf.cond` on a constant, such as `is_training`, by the branch that runs.

TensorFlow's optimizers do not remove these Switch and Merge nodes, and other runtimes reject them.
"""

from typing import Any

import numpy as np

from model_tools.errors import FreezeError
from model_tools.freezing.passes.constants import add_constant
from model_tools.freezing.passes.placeholders import rename_inputs
from model_tools.graph.queries import drop, node_name, nodes_by_name, tensor_name

_SWITCHES = {"Switch", "RefSwitch"}
_MERGES = {"Merge", "RefMerge"}
_DATA_TYPE_INT32 = 3


def resolve_conditionals(graph: Any) -> int:
    """Remove each Switch with a constant predicate, in place, and return their number.

    Raises:
        FreezeError: a Merge does not have exactly one input afterwards.
    """
    nodes = nodes_by_name(graph)
    chosen = {
        node.name: value
        for node in graph.node
        if node.op in _SWITCHES and (value := _truth(node.input[1], nodes)) is not None
    }
    if not chosen:
        return 0
    dead = _dead_tensors(graph, chosen)
    renamed = {}
    for name, value in chosen.items():
        _pass_on(nodes[name])
        renamed[f"{name}:{int(value)}"] = name
    for node in list(graph.node):
        if node.op in _MERGES:
            _merge(graph, node, dead)
    drop(graph, (node.name for node in graph.node if f"{node.name}:*" in dead))
    rename_inputs(graph, renamed)
    return len(chosen)


def _truth(reference: str, nodes: dict[str, Any]) -> bool | None:
    """Return the value of a predicate, or None if the predicate is not constant."""
    negated = False
    node = nodes[node_name(reference)]
    while node.op in {"Identity", "LogicalNot", "Squeeze"}:
        negated ^= node.op == "LogicalNot"
        node = nodes[node_name(node.input[0])]
    if node.op in _SWITCHES:
        # Inside a branch, `pred_id` is a Switch whose data is the predicate.
        inner = _truth(node.input[0], nodes)
        return None if inner is None else inner ^ negated
    if node.op != "Const":
        return None
    value = node.attr["value"].tensor
    if value.tensor_content:
        return bool(np.frombuffer(value.tensor_content, np.bool_).all()) ^ negated
    return bool(value.bool_val and value.bool_val[0]) ^ negated


def _dead_tensors(graph: Any, chosen: dict[str, bool]) -> set[str]:
    """Return tensors that never have a value; `name:*` means a node that never runs."""
    dead = {f"{name}:{int(not value)}" for name, value in chosen.items()}
    has_grown = True
    while has_grown:
        has_grown = False
        for node in graph.node:
            if f"{node.name}:*" in dead:
                continue
            inputs = [_is_dead(reference, dead) for reference in node.input]
            never_runs = all(inputs) if node.op in _MERGES and inputs else any(inputs)
            if never_runs:
                dead.add(f"{node.name}:*")
                has_grown = True
    return dead


def _is_dead(reference: str, dead: set[str]) -> bool:
    return tensor_name(reference) in dead or f"{node_name(reference)}:*" in dead


def _pass_on(switch: Any) -> None:
    name, data, kind = switch.name, switch.input[0], switch.attr["T"].type
    switch.Clear()
    switch.name, switch.op = name, "Identity"
    switch.input.append(data)
    switch.attr["T"].type = kind


def _merge(graph: Any, node: Any, dead: set[str]) -> None:
    if f"{node.name}:*" in dead:
        return
    alive = [
        position for position, reference in enumerate(node.input) if not _is_dead(reference, dead)
    ]
    if len(alive) == len(node.input):
        return
    if len(alive) != 1:
        raise FreezeError(
            f"the Merge node {node.name} has {len(alive)} of {len(node.input)} inputs after its "
            "conditional was resolved: expected 1"
        )
    name, data, kind = node.name, node.input[alive[0]], node.attr["T"].type
    node.Clear()
    node.name, node.op = name, "Identity"
    node.input.append(data)
    node.attr["T"].type = kind
    index = f"{name}/value_index"
    if any(
        tensor_name(reference) == f"{name}:1"
        for consumer in graph.node
        for reference in consumer.input
    ):
        add_constant(graph, index, np.array(alive[0], np.int32), _DATA_TYPE_INT32)
        rename_inputs(graph, {f"{name}:1": index})
