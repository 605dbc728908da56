"""Drop the parts of a TensorFlow 2 SavedModel that only training uses.

Keras 2 stores optimizer slots, which TensorFlow cannot restore without the optimizer.
Keras 3 advances the random state of augmentation layers at each call, even if the layer has no
other effect. Both are dropped before the rules are checked and the model is loaded.
"""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from model_tools.graph.messages import read_message
from model_tools.graph.queries import needed_by, node_name, nodes_by_name
from model_tools.graph.rules import called_functions

SAVED_MODEL_NAME = "saved_model.pb"
INIT_SIGNATURE = "__saved_model_init_op"

_INITIALIZERS = ("saved_model_main_op", "legacy_init_op", "saved_model_init_op")
_ASSIGNMENTS = {"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"}
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}


def trim(meta: Any, run_on_load: Iterable[str]) -> bool:
    """Drop slots, and assignments that no output of a signature depends on, in place.

    Args:
        meta: a MetaGraphDef whose structure was checked.
        run_on_load: names of the nodes that TensorFlow runs when it loads the model; the functions
            that these nodes call are not changed.

    Returns:
        True if a slot or an assignment was dropped.
    """
    slots = [node for node in meta.object_graph_def.nodes if node.slot_variables]
    for node in slots:
        del node.slot_variables[:]
    return _Assignments(meta, run_on_load).drop() or bool(slots)


@contextmanager
def loadable(folder: Path) -> Iterator[Path]:
    """Yield the folder of a checked SavedModel: `folder`, or a temporary trimmed copy.

    The copy contains links to the weights.
    """
    saved = read_message(folder / SAVED_MODEL_NAME, "SavedModel")
    trimmed = [trim(meta, run_on_load(meta)) for meta in saved.meta_graphs]
    if not any(trimmed):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="model-tools-") as temporary:
        copy = Path(temporary)
        (copy / SAVED_MODEL_NAME).write_bytes(saved.SerializeToString())
        for entry in folder.iterdir():
            if entry.name != SAVED_MODEL_NAME:
                (copy / entry.name).symlink_to(entry.resolve())
        yield copy


def run_on_load(meta: Any) -> list[str]:
    """Return the names of the nodes that TensorFlow runs when it loads the model."""
    nodes = {node.name for node in meta.graph_def.node}
    names = [meta.saver_def.restore_op_name] if meta.saver_def.restore_op_name else []
    for key in _INITIALIZERS:
        if key in meta.collection_def:
            names += meta.collection_def[key].node_list.value
    if INIT_SIGNATURE in meta.signature_def:
        names += [info.name for info in meta.signature_def[INIT_SIGNATURE].outputs.values()]
    return [name for name in names if node_name(name) in nodes]


class _Assignments:
    """The assignments in functions that signatures call, except functions that run on load."""

    def __init__(self, meta: Any, run_on_load: Iterable[str]) -> None:
        graph = meta.graph_def
        self._functions = {function.signature.name: function for function in graph.library.function}
        outputs = [
            info.name
            for key, signature in meta.signature_def.items()
            if key != INIT_SIGNATURE
            for info in signature.outputs.values()
        ]
        nodes = nodes_by_name(graph)
        existing = [name for name in outputs if node_name(name) in nodes]
        self._top = [nodes[name] for name in needed_by(graph, existing)]
        loading = [nodes[name] for name in needed_by(graph, run_on_load)]
        self._names = called_functions(self._top, self._functions) - called_functions(
            loading, self._functions
        )
        self._reads_of: dict[str, set[str]] = {}

    def drop(self) -> bool:
        """Drop the assignments that no output depends on, and return True if there were any."""
        unused = {name: self._unused(self._functions[name]) for name in sorted(self._names)}
        for name, assignments in unused.items():
            if assignments:
                _without(self._functions[name], assignments)
        return any(unused.values())

    def _unused(self, function: Any) -> set[str]:
        return {
            node.name
            for node in function.node_def
            if node.op in _ASSIGNMENTS
            and not self._is_read(function.signature.name, node_name(node.input[0]))
        }

    def _is_read(self, name: str, handle: str) -> bool:
        """Return whether an output depends on a variable, in this function or in its callers."""
        function = self._functions[name]
        if handle in self._reads(name):
            return True
        arguments = [argument.name for argument in function.signature.input_arg]
        if handle not in arguments:
            return False
        position = arguments.index(handle)
        for caller in self._names:
            for node in self._functions[caller].node_def:
                if name not in called_functions([node], self._functions, nested=False):
                    continue
                # This code cannot match arguments of branches and loops, so it assumes that they
                # are read.
                if _callee(node, self._functions) != name or self._is_read(
                    caller, node_name(node.input[position])
                ):
                    return True
        calls = [
            node
            for node in self._top
            if name in called_functions([node], self._functions, nested=False)
        ]
        if any(_callee(node, self._functions) != name for node in calls):
            return True
        read_on_top = self._reads_by(self._top)
        return any(node_name(node.input[position]) in read_on_top for node in calls)

    def _reads(self, function_name: str) -> set[str]:
        """Return the arguments and handles that the results of a function depend on."""
        if function_name not in self._reads_of:
            function = self._functions[function_name]
            nodes = nodes_by_name_of(function)
            waiting = [node_name(reference) for reference in function.ret.values()]
            needed: set[str] = set()
            while waiting:
                current = waiting.pop()
                if current in nodes and current not in needed:
                    needed.add(current)
                    waiting += map(node_name, _data(nodes[current]))
            self._reads_of[function_name] = self._reads_by([nodes[name] for name in needed])
        return self._reads_of[function_name]

    def _reads_by(self, nodes: Iterable[Any]) -> set[str]:
        references: set[str] = set()
        for node in nodes:
            callee = _callee(node, self._functions)
            arguments = (
                [argument.name for argument in self._functions[callee].signature.input_arg]
                if callee
                else []
            )
            for position, reference in enumerate(_data(node)):
                if not callee or arguments[position] in self._reads(callee):
                    references.add(node_name(reference))
        return references


def nodes_by_name_of(function: Any) -> dict[str, Any]:
    """Return the nodes of a FunctionDef by name."""
    return {node.name: node for node in function.node_def}


def _callee(node: Any, functions: dict[str, Any]) -> str | None:
    name: str = node.attr["f"].func.name if node.op in _CALLS else node.op
    return name if name in functions else None


def _data(node: Any) -> list[str]:
    return [reference for reference in node.input if not reference.startswith("^")]


def _without(function: Any, dropped: set[str]) -> None:
    """Drop nodes of a function, and nodes that only the dropped nodes need, in place."""
    for key in [key for key, name in function.control_ret.items() if name in dropped]:
        del function.control_ret[key]
    outputs = [key for key in function.signature.control_output if key in function.control_ret]
    del function.signature.control_output[:]
    function.signature.control_output.extend(outputs)
    nodes = nodes_by_name_of(function)
    waiting = [node_name(reference) for reference in function.ret.values()]
    waiting += function.control_ret.values()
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in needed and name not in dropped:
            needed.add(name)
            waiting += map(node_name, nodes[name].input)
    remaining = [node for node in function.node_def if node.name in needed]
    for node in remaining:
        inputs = [reference for reference in node.input if node_name(reference) not in dropped]
        del node.input[:]
        node.input.extend(inputs)
    copies = [type(node).FromString(node.SerializeToString()) for node in remaining]
    del function.node_def[:]
    function.node_def.extend(copies)
