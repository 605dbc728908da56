"""Rules for models from outside, all checked before TensorFlow is imported."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from model_tools.errors import IsolationError, RefusedError, SourceError
from model_tools.formats.archives import check_zip
from model_tools.formats.detect import Kind, ModelFiles, read_message
from model_tools.formats.keras_config import check_keras_config, check_layout
from model_tools.formats.signatures import (
    Choice,
    Names,
    chosen_keys,
    inferred,
    named,
    require,
    signed,
    usable_signatures,
)
from model_tools.formats.trimming import INIT_SIGNATURE, run_on_load, trim
from model_tools.graph.allowed_ops import LOADING_OPS
from model_tools.graph.names import node_name
from model_tools.graph.queries import nodes_by_name, subgraph
from model_tools.graph.rules import check_ops, check_structure
from model_tools.graph.scalars import set_constants
from model_tools.sandbox import Limits, isolated

VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp"})


@dataclass(frozen=True)
class CheckedGraph:
    """A graph that may be imported, with the tensors that were chosen."""

    graph: Any
    inputs: Names
    outputs: Names
    # What a run of the original must be fed besides.
    constants: tuple[tuple[str, tuple[float, ...]], ...] = ()


def check_files(files: ModelFiles, choice: Choice) -> CheckedGraph | None:
    """Check what `find_model` found; return its graph, where the format is one.

    Raises:
        SourceError: it is broken, or lacks a file.
        AmbiguousError: signature, inputs or outputs must be chosen.
        RefusedError: it breaks a rule.
    """
    if files.kind is Kind.SAVED_MODEL_1:
        return _saved_model_1(files, choice)
    if files.kind is Kind.CHECKPOINT:
        return _checkpoint(files, choice)
    if files.kind is Kind.FROZEN:
        return _frozen(files, choice)
    _no_names(choice, files.kind.value)
    if files.kind is Kind.SAVED_MODEL_2:
        meta = check_every_signature(files, choice)
        _, outputs = signed(choice, dict(meta.signature_def))
        chosen_keys(choice.outputs, list(outputs))
        return None
    if files.kind is Kind.KERAS:
        check_zip(files.path)
    try:
        # The HDF5 library can be made to crash, and never to return.
        isolated(_keras, files.path, limits=_keras_limits(files.path))
    except IsolationError as error:
        raise RefusedError("keras-layout", f"reading {files.path.name}: {error}") from None
    return None


def check_keras(files: ModelFiles, choice: Choice) -> None:
    """Check a Keras file, with limits of its own; other formats are checked where they are read.

    Raises:
        As `check_files`.
    """
    if files.kind in {Kind.KERAS, Kind.H5}:
        check_files(files, choice)


def check_every_signature(files: ModelFiles, choice: Choice) -> Any:
    """Check a SavedModel for whoever loads it whole; return its MetaGraphDef.

    Raises:
        SourceError: it is broken, or lacks a file.
        RefusedError: it breaks a rule.
    """
    meta = tagged(files, choice)
    check_structure(meta.graph_def)
    trim(meta, run_on_load(meta))
    for key, signature in meta.signature_def.items():
        if key != INIT_SIGNATURE:
            check_ops(meta.graph_def, [info.name for info in signature.outputs.values()])
    check_ops(meta.graph_def, run_on_load(meta), LOADING_OPS)
    if files.kind is Kind.SAVED_MODEL_2 or any(
        node.op in VARIABLES for node in meta.graph_def.node
    ):
        _require_weights(files)
    return meta


def _keras_limits(file: Path) -> Limits:
    # The weights of a .keras file are read whole.
    mib = file.stat().st_size >> 20
    seconds = 4 + mib // 50
    return Limits(
        seconds=seconds,
        memory_mib=384 + 2 * mib,
        file_mib=1,
        wall_seconds=600 + 20 * seconds,
    )


def _keras(file: Path) -> None:
    check_layout(file)
    check_keras_config(file)


def _saved_model_1(files: ModelFiles, choice: Choice) -> CheckedGraph:
    meta = tagged(files, choice)
    check_structure(meta.graph_def)
    checked = _checked(choice, meta.graph_def, dict(meta.signature_def))
    check_ops(meta.graph_def, run_on_load(meta), LOADING_OPS)
    if any(node.op in VARIABLES for node in meta.graph_def.node):
        _require_weights(files)
    return checked


def _checkpoint(files: ModelFiles, choice: Choice) -> CheckedGraph:
    if files.graph is None:
        raise SourceError(f"{files.path}: a checkpoint needs its graph")
    signatures: dict[str, Any] = {}
    if files.graph.suffix == ".meta":
        meta = read_message(files.graph, "MetaGraphDef")
        graph, signatures = meta.graph_def, dict(meta.signature_def)
    else:
        graph = read_message(files.graph, "GraphDef")
    check_structure(graph)
    checked = _checked(choice, graph, signatures)
    needed = subgraph(graph, checked.outputs.values())
    return replace(checked, graph=needed)


def _frozen(files: ModelFiles, choice: Choice) -> CheckedGraph:
    graph = read_message(files.path, "GraphDef")
    if not graph.node:
        raise SourceError(f"{files.path} holds no node: it is no frozen graph")
    check_structure(graph)
    checked = _checked(choice, graph, {})
    needed = subgraph(graph, checked.outputs.values())
    if variables := [node.name for node in needed.node if node.op in VARIABLES]:
        raise SourceError(
            f"{files.path} is not frozen: {', '.join(variables[:3])} need their checkpoint; "
            "give it with --checkpoint"
        )
    return replace(checked, graph=needed)


def _checked(choice: Choice, graph: Any, signatures: dict[str, Any]) -> CheckedGraph:
    set_constants(graph, choice.constants)
    usable = usable_signatures(signatures)
    inputs = named(choice.inputs, "input")
    outputs = named(_as_tensors(choice, graph, usable), "output")
    require(graph, inputs)
    require(graph, outputs)
    if not (inputs and outputs):
        found_inputs, found_outputs = (
            signed(choice, usable)
            if usable
            else inferred(graph, tuple(inputs.values()), tuple(outputs.values()))
        )
        inputs, outputs = inputs or found_inputs, outputs or found_outputs
        require(graph, inputs)
        require(graph, outputs)
    check_ops(graph, outputs.values())
    return CheckedGraph(graph, inputs, outputs, choice.constants)


def _as_tensors(choice: Choice, graph: Any, signatures: dict[str, Any]) -> list[str]:
    """Return --output with tensors for the keys of the signature that it names."""
    if not choice.outputs or not signatures:
        return list(choice.outputs)
    nodes = nodes_by_name(graph)
    _, outputs = signed(choice, signatures)
    found = []
    for text in choice.outputs:
        alias, separator, name = text.rpartition("=")
        is_key = name in outputs and node_name(name) not in nodes
        found.append(f"{alias if separator else name}={outputs[name]}" if is_key else text)
    return found


def tagged(files: ModelFiles, choice: Choice) -> Any:
    """Return the MetaGraphDef with the tags that were chosen.

    Raises:
        SourceError: there is none.
    """
    saved = read_message(files.path / "saved_model.pb", "SavedModel")
    wanted = set(choice.tags)
    for meta in saved.meta_graphs:
        if set(meta.meta_info_def.tags) == wanted:
            return meta
    given = "; ".join(
        ", ".join(sorted(meta.meta_info_def.tags)) or "(none)" for meta in saved.meta_graphs
    )
    raise SourceError(
        f"{files.path}: no graph is tagged {', '.join(sorted(wanted))}; there are: {given}"
    )


def _require_weights(files: ModelFiles) -> None:
    index = files.path / "variables" / "variables.index"
    if not index.is_file() or not any(index.parent.glob("variables.data-*")):
        raise SourceError(
            f"{index.parent} is missing or incomplete: the model's weights are kept there "
            "(variables.index, variables.data-*)"
        )


def _no_names(choice: Choice, what: str) -> None:
    if choice.inputs or choice.constants:
        raise SourceError(
            f"--input and --set name nodes of a graph; a {what} names its own inputs: leave them "
            "out (--output takes the keys of its outputs)"
        )
