"""Rewrite a graph for who will read it, where that is safe; say which nodes are in the way.

What a TensorFlow of old knows is asked of itself: `consumers/*.json` is its own list of ops,
printed by `tools/dump_ops.py`.
"""

import json
from collections.abc import Iterable
from enum import Enum
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from model_tools.errors import FreezeError
from shared.artifact.errors import ArtifactError
from shared.vision.runtimes import OPENVINO, open_runtime

_LISTS = Path(__file__).with_name("consumers")
_MOST_NAMED = 8

# Attributes by op, each with the type numbers that it may have (none listed: any).
_Ops = dict[str, dict[str, list[int]]]


class Consumer(Enum):
    """Who will read the graph."""

    TENSORFLOW = "tensorflow"
    OPENVINO = "openvino"
    TENSORFLOW_1_4 = "tensorflow-1.4"
    TENSORFLOW_1_5 = "tensorflow-1.5"


# The same computation under an older name.
_OLDER_NAMES = {
    "AddV2": "Add",
    "BatchMatMulV2": "BatchMatMul",
    "FusedBatchNormV3": "FusedBatchNorm",
    "FusedBatchNormV2": "FusedBatchNorm",
}
# Attributes that came with the newer name and mean nothing to the older.
_NEWER_ATTRIBUTES = {"FusedBatchNormV3": {"U", "exponential_avg_factor"}, "FusedBatchNormV2": {"U"}}
# OpenVINO's TensorFlow frontend has no translation for these.
_NOT_FOR_OPENVINO = {"DecodeBmp", "DecodeImage", "DecodeJpeg", "DecodePng", "DecodeRaw"}
# The producer that old readers accept (TF_GRAPH_DEF_VERSION of 1.4 and 1.5).
_OLD_PRODUCER = 24


def rewrite_for(graph: Any, consumer: Consumer, *, compiles: bool = True) -> None:
    """Rewrite a GraphDef in place.

    Args:
        graph: a GraphDef.
        consumer: the reader of the graph.
        compiles: OpenVINO also compiles the graph, as a camera does; that takes most of its time.

    Raises:
        FreezeError: the consumer cannot read it; names the nodes and why.
    """
    if consumer is Consumer.TENSORFLOW:
        return
    if consumer is Consumer.OPENVINO:
        refused = [node for node in graph.node if node.op in _NOT_FOR_OPENVINO]
        _refuse(consumer, ((node.name, f"op {node.op}") for node in refused))
        _load_in_openvino(graph, compiles=compiles)
        return
    known = _known_ops(consumer)
    problems = [problem for node in graph.node for problem in _fit(node, known)]
    problems += [(function.signature.name, "a function") for function in graph.library.function]
    _refuse(consumer, problems)
    graph.versions.producer = _OLD_PRODUCER
    graph.versions.min_consumer = 0


def _load_in_openvino(graph: Any, *, compiles: bool) -> None:
    """Load the graph as a camera does, or convert it alone."""
    with TemporaryDirectory(prefix="model-tools-") as folder:
        file = Path(folder) / "graph.pb"
        file.write_bytes(graph.SerializeToString())
        try:
            if compiles:
                open_runtime(OPENVINO, file, ())
            else:
                from shared.vision.openvino_runtime import convert  # noqa: PLC0415 - imports OpenVINO

                convert(file)
        except ArtifactError as error:
            reason = str(error).removeprefix(f"{file}: ")
            raise FreezeError(
                f"openvino cannot read the graph: {reason}; TensorFlow can: leave out --consumer "
                'openvino, and set inference.engine = "tensorflow" in the environment file'
            ) from None


def _fit(node: Any, ops: _Ops) -> list[tuple[str, str]]:
    """Rewrite one node in place; return what stands in the way."""
    given = node.op
    if given not in ops and _OLDER_NAMES.get(given) in ops:
        node.op = _OLDER_NAMES[given]
        for attribute in _NEWER_ATTRIBUTES.get(given, ()):
            node.attr.pop(attribute, None)
    if node.op not in ops:
        return [(node.name, f"op {given}")]
    known = ops[node.op]
    problems = []
    for key in list(node.attr):
        if key in known:
            allowed = known[key]
            if allowed and node.attr[key].type and node.attr[key].type not in allowed:
                problems.append((node.name, f"{given} of type number {node.attr[key].type}"))
        elif key.startswith("_") or _is_default(node.attr[key], _defaults_of(given).get(key)):
            del node.attr[key]
        else:
            problems.append((node.name, f"{given} with {key}"))
    return problems


def _is_default(value: Any, default: Any) -> bool:
    return default is not None and value.SerializeToString(
        deterministic=True
    ) == default.SerializeToString(deterministic=True)


def _refuse(consumer: Consumer, problems: Iterable[tuple[str, str]]) -> None:
    found = sorted(set(problems))
    if not found:
        return
    named = ", ".join(f"{name} ({why})" for name, why in found[:_MOST_NAMED])
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    raise FreezeError(f"{consumer.value} cannot read {named}{more}")


@cache
def _known_ops(consumer: Consumer) -> _Ops:
    document = json.loads((_LISTS / f"{consumer.value}.json").read_text(encoding="utf-8"))
    ops: _Ops = document["ops"]
    return ops


@cache
def _defaults_of(op: str) -> dict[str, Any]:
    """Return the attributes of `op` that have a default, as this TensorFlow writes graphs."""
    from tensorflow.python.framework import op_def_registry  # noqa: PLC0415 - takes seconds

    definition = op_def_registry.get(op)
    return {
        attribute.name: attribute.default_value
        for attribute in (definition.attr if definition else ())
        if attribute.HasField("default_value")
    }
