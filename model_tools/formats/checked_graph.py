"""Checks of the formats that store a graph with named nodes (TensorFlow 1)."""

from dataclasses import dataclass
from typing import Any

from model_tools.formats.signatures import (
    Choice,
    Names,
    inferred,
    named,
    require,
    signed,
    usable_signatures,
)
from model_tools.graph.queries import node_name, nodes_by_name, set_constants
from model_tools.graph.rules import check_ops

VARIABLES = frozenset({"Variable", "VariableV2", "VarHandleOp"})


@dataclass(frozen=True)
class CheckedGraph:
    """A checked graph with the chosen tensors."""

    graph: Any
    inputs: Names
    outputs: Names
    # Names and values of placeholders that are not inputs. The source model also needs the values.
    constants: tuple[tuple[str, tuple[float, ...]], ...] = ()


def check_graph(choice: Choice, graph: Any, signatures: dict[str, Any]) -> CheckedGraph:
    """Select inputs and outputs of a GraphDef, and check the operations that the outputs need.

    Raises:
        SourceError: a tensor, placeholder or signature does not exist.
        AmbiguousError: signature, inputs or outputs must be chosen.
        RefusedError: an output needs an operation that is not allowed.
    """
    set_constants(graph, choice.constants)
    usable = usable_signatures(signatures)
    inputs = named(choice.inputs, "input")
    outputs = named(_as_tensors(choice, graph, usable), "output")
    require(graph, inputs)
    require(graph, outputs)
    if not (inputs and outputs):
        default_inputs, default_outputs = (
            signed(choice, usable)
            if usable
            else inferred(graph, tuple(inputs.values()), tuple(outputs.values()))
        )
        inputs, outputs = inputs or default_inputs, outputs or default_outputs
        require(graph, inputs)
        require(graph, outputs)
    check_ops(graph, outputs.values())
    return CheckedGraph(graph, inputs, outputs, choice.constants)


def _as_tensors(choice: Choice, graph: Any, signatures: dict[str, Any]) -> list[str]:
    """Return the values of `--output`, with each signature key replaced by its tensor."""
    if not choice.outputs or not signatures:
        return list(choice.outputs)
    nodes = nodes_by_name(graph)
    _, outputs = signed(choice, signatures)
    tensors = []
    for text in choice.outputs:
        alias, separator, name = text.rpartition("=")
        is_key = name in outputs and node_name(name) not in nodes
        tensors.append(f"{alias if separator else name}={outputs[name]}" if is_key else text)
    return tensors
