"""Optimize a loaded model's graph for a runtime, and compare it with the source model."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from model_tools.errors import AmbiguousError, FreezeError, SourceError
from model_tools.formats.tensors import Arrays, LoadedModel, TensorSpec, sample_inputs
from model_tools.freezing.parity import (
    DEFAULT_TOLERANCE,
    Parity,
    graph_runner,
    measure,
    require,
)
from model_tools.freezing.passes.batch_norm import unfuse_norms
from model_tools.freezing.passes.bfloat16 import BFLOAT16_TOLERANCE, has_bfloat16, widen, widened
from model_tools.freezing.passes.conditionals import resolve_conditionals
from model_tools.freezing.passes.grappler import fold
from model_tools.freezing.passes.placeholders import feed, use_defaults
from model_tools.freezing.target_runtime import TargetRuntime, rewrite_for
from model_tools.graph.queries import example, is_node_name, node_name, nodes_by_name, prune
from model_tools.graph.rules import all_nodes

_RANDOM_SAMPLES = 4
# Names that TensorFlow 2 gives to outputs without a name.
_ANONYMOUS = re.compile(
    r"Identity(_[0-9]+)?|StatefulPartitionedCall(_[0-9]+)?|PartitionedCall(_[0-9]+)?"
)

_COMPILED = "_XlaMustCompile"

Specs = dict[str, TensorSpec]


@dataclass(frozen=True, kw_only=True)
class FreezeOptions:
    """Options for freezing a model."""

    target: TargetRuntime = TargetRuntime.TENSORFLOW
    tolerance: float = DEFAULT_TOLERANCE
    # Arrays by the aliases of inputs, in addition to random samples.
    samples: tuple[Arrays, ...] = ()


@dataclass(frozen=True)
class FrozenModel:
    """A frozen graph after its comparison with the source."""

    # A serialized GraphDef, identical for identical models.
    graph: bytes
    inputs: Specs
    outputs: Specs
    target: TargetRuntime
    parity: Parity


def freeze(model: LoadedModel, options: FreezeOptions | None = None) -> FrozenModel:
    """Optimize the graph of `model` for a runtime, and compare it with the model.

    This call modifies the graph of `model`, like `optimised`. For bfloat16 models, the tolerance is
    at least `BFLOAT16_TOLERANCE`.

    Raises:
        AmbiguousError: the outputs need another input.
        SourceError: see `optimised`; or the model does not run.
        FreezeError: the runtime cannot read the graph, or the outputs differ.
    """
    chosen = options or FreezeOptions()
    tolerance = chosen.tolerance
    if has_bfloat16(model.graph):
        tolerance = max(tolerance, BFLOAT16_TOLERANCE)
    graph, inputs, outputs = optimised(model)
    rewrite_for(graph, chosen.target)
    content = graph.SerializeToString(deterministic=True)
    frozen = graph_runner(graph, inputs, outputs)
    parity = measure(model.run, frozen, _samples(inputs, chosen.samples))
    require(parity, tolerance)
    return FrozenModel(content, inputs, outputs, chosen.target, parity)


def optimised(model: LoadedModel) -> tuple[Any, Specs, Specs]:
    """Return a model's graph with folded constants and only the nodes that its outputs need.

    This call modifies the graph of `model`: for another use, load the model again.

    Returns:
        The GraphDef, and its inputs and outputs.

    Raises:
        AmbiguousError: the outputs need another input.
        SourceError: batch normalization runs as in training, XLA compiles a function, or an input
            has a type that cannot be fed.
        FreezeError: functions cannot be inlined, or TensorFlow cannot read the graph.
    """
    widen(model.graph)
    inputs = feed(model.graph, widened(model.inputs))
    prune(model.graph, _names(model.outputs), _names(inputs))
    use_defaults(model.graph)
    graph, outputs = _without_functions(model.graph, inputs, widened(model.outputs))
    resolve_conditionals(graph)
    prune(graph, _names(outputs), _names(inputs))
    _require_fed(graph, inputs)
    unfuse_norms(graph)
    outputs = _name_outputs(graph, outputs)
    graph = fold(graph, _nodes(inputs), _nodes(outputs))
    prune(graph, [*_names(outputs), *_names(inputs)])
    for node in graph.node:
        node.device = ""
    return graph, inputs, outputs


def _samples(inputs: Specs, given: Iterable[Arrays]) -> Iterable[Arrays]:
    yield from given
    for seed in range(_RANDOM_SAMPLES):
        yield sample_inputs(inputs, seed)


def _without_functions(graph: Any, inputs: Specs, outputs: Specs) -> tuple[Any, Specs]:
    """Inline functions, and lower branches and loops to Switch, Merge, Enter and Exit."""
    if not graph.library.function:
        return graph, outputs

    if any(_COMPILED in item.attr for item in (*graph.library.function, *all_nodes(graph))):
        raise SourceError(
            "the model has functions that XLA compiles (tf.function(jit_compile=True); Keras uses "
            "them for grouped convolutions), and no other engine reads them: save a Keras model "
            "with model.save('model.keras'), and any other model after "
            "tf.config.run_functions_eagerly(True)"
        )

    def imported() -> None:
        tf.import_graph_def(graph, name="")

    wrapped = tf.compat.v1.wrap_function(imported, [])
    feeds = [wrapped.graph.get_tensor_by_name(name) for name in _names(inputs)]
    fetches = [wrapped.graph.get_tensor_by_name(name) for name in _names(outputs)]
    frozen = convert_variables_to_constants_v2(
        wrapped.prune(feeds, fetches), lower_control_flow=True
    )
    definition = frozen.graph.as_graph_def()
    if remaining := [function.signature.name for function in definition.library.function]:
        raise FreezeError(f"functions cannot be inlined: {', '.join(remaining[:5])}")
    renamed = {
        alias: replace(spec, name=tensor.name)
        for (alias, spec), tensor in zip(outputs.items(), frozen.outputs, strict=True)
    }
    return definition, renamed


def _name_outputs(graph: Any, outputs: Specs) -> Specs:
    """Name unnamed outputs of TensorFlow 2 by the keys of their signature, in place."""
    nodes = nodes_by_name(graph)
    named = {}
    for alias, spec in outputs.items():
        anonymous = _ANONYMOUS.fullmatch(node_name(spec.name)) is not None
        if not anonymous or not is_node_name(alias):
            named[alias] = spec
            continue
        name = alias if alias not in nodes else f"{alias}_output"
        identity = graph.node.add(name=name, op="Identity", input=[spec.name])
        identity.attr["T"].type = tf.as_dtype(np.dtype(spec.dtype)).as_datatype_enum
        named[alias] = replace(spec, name=f"{name}:0")
    return named


def _require_fed(graph: Any, inputs: Specs) -> None:
    fed = set(_nodes(inputs))
    missing = [node for node in graph.node if node.op == "Placeholder" and node.name not in fed]
    if missing:
        names = ", ".join(node.name for node in missing[:5])
        raise AmbiguousError(
            f"the outputs also need {names}: name them as inputs, or fix their values "
            f"({' '.join(example(node) for node in missing[:3])})"
        )


def _names(specs: Specs) -> list[str]:
    return [spec.name for spec in specs.values()]


def _nodes(specs: Specs) -> list[str]:
    return [node_name(spec.name) for spec in specs.values()]
