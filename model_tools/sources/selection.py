"""Which tensors are a model's inputs and outputs: as named, as signed, or as the graph shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model_tools.errors import AmbiguousError, SourceError
from model_tools.graphs.names import node_name, output_index, tensor_name
from model_tools.graphs.reach import needed_by, nodes_by_name
from shared.artifact.manifest import DETECTION_OUTPUTS

SERVING_DEFAULT = "serving_default"

_PLACEHOLDERS = {"Placeholder", "PlaceholderV2"}
# Nodes that nothing needs because they act, or only say something; never a model's answer.
_NO_OUTPUTS = {
    "Assert", "Assign", "AssignAdd", "AssignSub", "AssignVariableOp", "Const", "NoOp",
    "Placeholder", "PlaceholderWithDefault", "SaveV2", "ScalarSummary", "HistogramSummary",
    "MergeSummary", "VarHandleOp", "VariableV2",
}  # fmt: skip
_SIZES = {"Rank", "Shape", "ShapeN", "Size"}
_VALUES = {"PlaceholderWithDefault", "VarHandleOp", "VariableV2"}
# `tf.train.*Optimizer` adds these, and what they need, below `gradients/`.
_TRAINING_OPS = (
    "Apply",
    "ResourceApply",
    "SparseApply",
    "ResourceSparseApply",
    "Assign",
    "Scatter",
)


@dataclass(frozen=True)
class Choice:
    """What the caller names; nothing named is inferred."""

    signature: str | None = None
    tags: tuple[str, ...] = ("serve",)
    # Nodes or tensors, each perhaps as `alias=tensor`.
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    # Values of placeholders that are not inputs, such as ("is_training", (0,)).
    constants: tuple[tuple[str, tuple[float, ...]], ...] = ()


Names = dict[str, str]


def signed(choice: Choice, signatures: dict[str, Any]) -> tuple[Names, Names]:
    """Return inputs and outputs, tensor names by alias, of the chosen SignatureDef.

    Raises:
        SourceError: there is none of that name, or none at all.
        AmbiguousError: there are several and none is called serving_default.
    """
    usable = usable_signatures(signatures)
    key = chosen_signature(choice.signature, sorted(usable))
    inputs = {alias: info.name for alias, info in usable[key].inputs.items()}
    outputs = {alias: info.name for alias, info in usable[key].outputs.items()}
    if "" in [*inputs.values(), *outputs.values()]:
        raise SourceError(f"the signature {key!r} has tensors without a name (sparse ones?)")
    return _sorted(inputs), _sorted(outputs)


def usable_signatures(signatures: dict[str, Any]) -> dict[str, Any]:
    """Return the SignatureDefs that answer something; TensorFlow's own are left out."""
    return {
        key: signature
        for key, signature in signatures.items()
        if signature.outputs and not key.startswith("__")
    }


def chosen_signature(wanted: str | None, keys: Sequence[str]) -> str:
    """Return the key of the signature to use.

    Raises:
        SourceError, AmbiguousError: as `signed`.
    """
    listed = ", ".join(keys) or "none"
    if wanted is not None:
        if wanted not in keys:
            raise SourceError(f"there is no signature {wanted!r}; there are: {listed}")
        return wanted
    if SERVING_DEFAULT in keys:
        return SERVING_DEFAULT
    if not keys:
        raise SourceError(
            "the model has no signature, so its inputs and outputs are unknown: where it was "
            "trained, save it with model.export(folder), or tf.saved_model.save(…, signatures=…)"
        )
    if len(keys) > 1:
        raise AmbiguousError(f"several signatures; choose one with --signature: {listed}")
    return keys[0]


def inferred(
    graph: Any, known_inputs: Sequence[str] = (), known_outputs: Sequence[str] = ()
) -> tuple[Names, Names]:
    """Return inputs and outputs that a graph without a signature shows.

    Outputs are those of the Object Detection API, or the one node that no other takes; inputs are
    the placeholders that they need. What is known already is not inferred.

    Raises:
        AmbiguousError: there are several candidates, or none.
    """
    nodes = nodes_by_name(graph)
    outputs = list(known_outputs) or [name for name in DETECTION_OUTPUTS if name in nodes]
    if not known_outputs and len(outputs) < len(DETECTION_OUTPUTS):
        outputs = _ends(graph)
        if len(outputs) != 1:
            raise AmbiguousError(
                "which nodes are the outputs? Name them with --output; "
                f"candidates: {', '.join(outputs[:12]) or 'none'}"
            )
    needed = needed_by(graph, outputs, known_inputs)
    inputs = [node.name for node in graph.node if node.name in needed and node.op in _PLACEHOLDERS]
    pictures = [name for name in inputs if not _is_switch(nodes[name])]
    if len(pictures) != 1 and not known_inputs:
        raise AmbiguousError(
            "which nodes are the inputs? Name them with --input; "
            f"candidates: {', '.join(inputs[:12]) or 'none'}"
        )
    return {name: f"{name}:0" for name in pictures}, {name: f"{name}:0" for name in outputs}


def named(names: Sequence[str], what: str) -> Names:
    """Return tensor names by alias of `tensor` or `alias=tensor`.

    Raises:
        SourceError: an alias is there twice.
    """
    found: Names = {}
    for text in names:
        alias, separator, tensor = text.rpartition("=")
        key = alias if separator else node_name(tensor)
        if not tensor or key in found:
            raise SourceError(f"--{what} {text!r}: empty, or its alias is there already")
        found[key] = tensor_name(tensor)
    return found


def chosen_keys(wanted: Sequence[str], keys: Sequence[str]) -> Names:
    """Return the outputs of a signature, by alias, that `--output` names; all if it names none.

    Raises:
        SourceError: there is no such output, or an alias is there twice.
    """
    chosen: Names = {}
    for text in wanted:
        alias, separator, key = text.rpartition("=")
        if key not in keys:
            raise SourceError(f"there is no output {key!r}; --output takes: {', '.join(keys)}")
        name = alias if separator else key
        if name in chosen:
            raise SourceError(f"--output {text!r}: the alias {name!r} is used twice")
        chosen[name] = key
    return chosen or {key: key for key in keys}


def require(graph: Any, names: Names) -> None:
    """Raise `SourceError`, with names that are close, if a tensor is not in the graph."""
    from difflib import get_close_matches  # noqa: PLC0415 - only to say what would work

    nodes = nodes_by_name(graph)
    for tensor in names.values():
        if node_name(tensor) not in nodes:
            close = get_close_matches(node_name(tensor), list(nodes), n=5, cutoff=0.5)
            raise SourceError(
                f"the graph has no node {node_name(tensor)!r}; close: {', '.join(close) or 'none'}"
            )


def _ends(graph: Any) -> list[str]:
    """Return the nodes that a placeholder leads to and that no other node takes.

    Of a training graph, optimizers and gradients count neither as nodes nor as takers.
    """
    nodes = [node for node in graph.node if not _trains(node)]
    leads_to: dict[str, list[str]] = {}
    for node in nodes:
        for reference in node.input:
            if not reference.startswith("^"):
                leads_to.setdefault(node_name(reference), []).append(node.name)
    reached: set[str] = set()
    waiting = [node.name for node in nodes if node.op in _PLACEHOLDERS]
    while waiting:
        for taker in leads_to.get(waiting.pop(), []):
            if taker not in reached:
                reached.add(taker)
                waiting.append(taker)
    return sorted(
        node.name
        for node in nodes
        if node.name in reached
        and node.name not in leads_to
        and node.op not in _NO_OUTPUTS | _SIZES
    )


def _trains(node: Any) -> bool:
    """Return whether this is a node of an optimizer, of a summary, or of a gradient."""
    return (
        node.op.startswith(_TRAINING_OPS)
        or node.op in _NO_OUTPUTS - {"Const", *_PLACEHOLDERS, *_VALUES}
        or "gradients" in node.name.split("/")
    )


def _is_switch(node: Any) -> bool:
    """Tell a scalar flag, such as is_training, from a picture."""
    is_bool = node.attr["dtype"].type == 10  # noqa: PLR2004 - DT_BOOL of types.proto
    shape = node.attr["shape"].shape
    return is_bool or (
        node.attr["shape"].HasField("shape") and not shape.unknown_rank and not shape.dim
    )


def _sorted(names: Names) -> Names:
    return {
        alias: f"{node_name(names[alias])}:{output_index(names[alias])}" for alias in sorted(names)
    }
