"""Select the inputs and outputs of a model by the caller's names, a signature, or the graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model_tools.errors import AmbiguousError, SourceError
from model_tools.graph.queries import needed_by, node_name, nodes_by_name, output_index, tensor_name
from shared.artifact.manifest import DETECTION_OUTPUTS

SERVING_DEFAULT = "serving_default"

_PLACEHOLDERS = {"Placeholder", "PlaceholderV2"}
# Operations whose nodes are never outputs: the nodes have an effect or a constant value.
_NO_OUTPUTS = {
    "Assert", "Assign", "AssignAdd", "AssignSub", "AssignVariableOp", "Const", "NoOp",
    "Placeholder", "PlaceholderWithDefault", "SaveV2", "ScalarSummary", "HistogramSummary",
    "MergeSummary", "VarHandleOp", "VariableV2",
}  # fmt: skip
_SIZES = {"Rank", "Shape", "ShapeN", "Size"}
_VALUES = {"PlaceholderWithDefault", "VarHandleOp", "VariableV2"}
# Prefixes of the operations that `tf.train.*Optimizer` adds. Nodes below `gradients/` compute the
# inputs of these operations.
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
    """The caller's selection of signature, tensors and constants; other names are inferred."""

    signature: str | None = None
    tags: tuple[str, ...] = ("serve",)
    # Names of nodes or tensors; `alias=tensor` also sets an alias.
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    # Values of placeholders that are not inputs, such as ("is_training", (0,)).
    constants: tuple[tuple[str, tuple[float, ...]], ...] = ()


Names = dict[str, str]


def signed(choice: Choice, signatures: dict[str, Any]) -> tuple[Names, Names]:
    """Return the inputs and outputs of the chosen SignatureDef, as tensor names by alias.

    Raises:
        SourceError: no signature has that name, there is no signature, or a tensor has no name.
        AmbiguousError: there are several signatures, without serving_default.
    """
    usable = usable_signatures(signatures)
    key = chosen_signature(choice.signature, sorted(usable))
    inputs = {alias: info.name for alias, info in usable[key].inputs.items()}
    outputs = {alias: info.name for alias, info in usable[key].outputs.items()}
    if "" in [*inputs.values(), *outputs.values()]:
        raise SourceError(
            f"the signature {key!r} has tensors without a name, such as sparse tensors: expected "
            "dense tensors; choose another one with --signature"
        )
    return _sorted(inputs), _sorted(outputs)


def usable_signatures(signatures: dict[str, Any]) -> dict[str, Any]:
    """Return the SignatureDefs that have outputs, except TensorFlow's internal ones."""
    return {
        key: signature
        for key, signature in signatures.items()
        if signature.outputs and not key.startswith("__")
    }


def chosen_signature(key: str | None, keys: Sequence[str]) -> str:
    """Return the key of the signature to use.

    Raises:
        SourceError, AmbiguousError: see `signed`.
    """
    listed = ", ".join(keys) or "none"
    if key is not None:
        if key not in keys:
            raise SourceError(f"{key!r} is not a signature of the model: expected one of: {listed}")
        return key
    if SERVING_DEFAULT in keys:
        return SERVING_DEFAULT
    if not keys:
        raise SourceError(
            "the model has no signature, so its inputs and outputs are unknown: where it was "
            "trained, save it with model.export(folder), or tf.saved_model.save(…, signatures=…)"
        )
    if len(keys) > 1:
        raise AmbiguousError(
            f"the model has several signatures; choose one with --signature: {listed}"
        )
    return keys[0]


def inferred(
    graph: Any, known_inputs: Sequence[str] = (), known_outputs: Sequence[str] = ()
) -> tuple[Names, Names]:
    """Infer the inputs and outputs of a graph without a signature.

    Outputs are those of the Object Detection API, or the only node that no other node consumes.
    Inputs are the placeholders that the outputs need, except flags such as `is_training`.

    Args:
        graph: a GraphDef.
        known_inputs: input tensors from the caller, which are not inferred.
        known_outputs: output tensors from the caller, which are not inferred.

    Raises:
        AmbiguousError: there are several candidates, or none.
    """
    nodes = nodes_by_name(graph)
    outputs = list(known_outputs) or [name for name in DETECTION_OUTPUTS if name in nodes]
    if not known_outputs and len(outputs) < len(DETECTION_OUTPUTS):
        outputs = _ends(graph)
        if len(outputs) != 1:
            raise AmbiguousError(
                "the outputs cannot be inferred; name them with --output; "
                f"candidates: {', '.join(outputs[:12]) or 'none'}"
            )
    needed = needed_by(graph, outputs, known_inputs)
    inputs = [node.name for node in graph.node if node.name in needed and node.op in _PLACEHOLDERS]
    images = [name for name in inputs if not _is_flag(nodes[name])]
    if len(images) != 1 and not known_inputs:
        raise AmbiguousError(
            "the inputs cannot be inferred; name them with --input; "
            f"candidates: {', '.join(inputs[:12]) or 'none'}"
        )
    return {name: f"{name}:0" for name in images}, {name: f"{name}:0" for name in outputs}


def named(names: Sequence[str], option: str) -> Names:
    """Return tensor names by alias, from items such as `tensor` or `alias=tensor`.

    Raises:
        SourceError: a name is empty, or an alias is used twice.
    """
    tensors: Names = {}
    for text in names:
        alias, separator, tensor = text.rpartition("=")
        key = alias if separator else node_name(tensor)
        if not tensor or key in tensors:
            raise SourceError(f"--{option} {text!r}: the name is empty, or the alias is used twice")
        tensors[key] = tensor_name(tensor)
    return tensors


def chosen_keys(names: Sequence[str], keys: Sequence[str]) -> Names:
    """Return the signature keys that `--output` selects, by alias; the default is all keys.

    Raises:
        SourceError: an output does not exist, or an alias is used twice.
    """
    chosen: Names = {}
    for text in names:
        alias, separator, key = text.rpartition("=")
        if key not in keys:
            raise SourceError(f"there is no output {key!r}; --output takes: {', '.join(keys)}")
        name = alias if separator else key
        if name in chosen:
            raise SourceError(f"--output {text!r}: the alias {name!r} is used twice")
        chosen[name] = key
    return chosen or {key: key for key in keys}


def require(graph: Any, names: Names) -> None:
    """Check that the graph contains all tensors.

    Raises:
        SourceError: a tensor is missing; the message lists similar names.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - only the error needs it

    nodes = nodes_by_name(graph)
    for tensor in names.values():
        if node_name(tensor) not in nodes:
            similar = get_close_matches(node_name(tensor), list(nodes), n=5, cutoff=0.5)
            raise SourceError(
                f"the graph has no node {node_name(tensor)!r}; similar names: "
                f"{', '.join(similar) or 'none'}"
            )


def _ends(graph: Any) -> list[str]:
    """Return the nodes that depend on a placeholder and have no consumers.

    The nodes of optimizers, gradients and summaries are ignored.
    """
    nodes = [node for node in graph.node if not _trains(node)]
    consumers_of: dict[str, list[str]] = {}
    for node in nodes:
        for reference in node.input:
            if not reference.startswith("^"):
                consumers_of.setdefault(node_name(reference), []).append(node.name)
    reached: set[str] = set()
    waiting = [node.name for node in nodes if node.op in _PLACEHOLDERS]
    while waiting:
        for consumer in consumers_of.get(waiting.pop(), []):
            if consumer not in reached:
                reached.add(consumer)
                waiting.append(consumer)
    return sorted(
        node.name
        for node in nodes
        if node.name in reached
        and node.name not in consumers_of
        and node.op not in _NO_OUTPUTS | _SIZES
    )


def _trains(node: Any) -> bool:
    """Return whether a node belongs to an optimizer, a summary or a gradient."""
    return (
        node.op.startswith(_TRAINING_OPS)
        or node.op in _NO_OUTPUTS - {"Const", *_PLACEHOLDERS, *_VALUES}
        or "gradients" in node.name.split("/")
    )


def _is_flag(node: Any) -> bool:
    """Return whether a placeholder is a scalar or bool, such as is_training, and not an image."""
    is_bool = node.attr["dtype"].type == 10  # noqa: PLR2004 - DT_BOOL of types.proto
    shape = node.attr["shape"].shape
    return is_bool or (
        node.attr["shape"].HasField("shape") and not shape.unknown_rank and not shape.dim
    )


def _sorted(names: Names) -> Names:
    return {
        alias: f"{node_name(names[alias])}:{output_index(names[alias])}" for alias in sorted(names)
    }


def reject_tensor_names(choice: Choice, format_name: str) -> None:
    """Reject inputs and constants in the choice for a format whose inputs already have names.

    Raises:
        SourceError: the choice contains inputs or constants.
    """
    if choice.inputs or choice.constants:
        raise SourceError(
            f"--input and --set name nodes of a graph; the inputs of a {format_name} have names: "
            "omit these options (--output takes the keys of its outputs)"
        )
