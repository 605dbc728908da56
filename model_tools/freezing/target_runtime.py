"""Rewrite a graph for its runtime, or report the nodes that the runtime cannot read.

`known_ops/*.json` lists the operations of old TensorFlow versions, written by `tools/dump_ops.py`.
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
from shared.vision.graph_loader import OPENVINO, open_runtime

_LISTS = Path(__file__).with_name("known_ops")
_MOST_LISTED = 8

# Accepted DataType numbers by operation and attribute; an empty list accepts all types.
_Ops = dict[str, dict[str, list[int]]]


class TargetRuntime(Enum):
    """A runtime that reads frozen graphs; its values are the choices of --consumer."""

    TENSORFLOW = "tensorflow"
    OPENVINO = "openvino"
    TENSORFLOW_1_4 = "tensorflow-1.4"
    TENSORFLOW_1_5 = "tensorflow-1.5"


# For newer operations, the older operation with the same computation.
_OLDER_NAMES = {
    "AddV2": "Add",
    "BatchMatMulV2": "BatchMatMul",
    "FusedBatchNormV3": "FusedBatchNorm",
    "FusedBatchNormV2": "FusedBatchNorm",
}
# Attributes that only the newer operation has.
_NEWER_ATTRIBUTES = {"FusedBatchNormV3": {"U", "exponential_avg_factor"}, "FusedBatchNormV2": {"U"}}
# Operations that OpenVINO's TensorFlow frontend does not support.
_NOT_FOR_OPENVINO = {"DecodeBmp", "DecodeImage", "DecodeJpeg", "DecodePng", "DecodeRaw"}
# The producer version that old readers accept (TF_GRAPH_DEF_VERSION of 1.4 and 1.5).
_OLD_PRODUCER = 24


def rewrite_for(graph: Any, target: TargetRuntime, *, compiles: bool = True) -> None:
    """Rewrite a GraphDef for its runtime, in place, and check that the runtime can read the graph.

    Args:
        graph: a GraphDef.
        target: the runtime that reads the graph.
        compiles: True to compile the graph in OpenVINO, as a camera does; the compilation takes
            most of the time.

    Raises:
        FreezeError: the runtime cannot read the graph; the message lists nodes and reasons.
    """
    if target is TargetRuntime.TENSORFLOW:
        return
    if target is TargetRuntime.OPENVINO:
        unsupported = [node for node in graph.node if node.op in _NOT_FOR_OPENVINO]
        _require_none(target, ((node.name, f"op {node.op}") for node in unsupported))
        _load_in_openvino(graph, compiles=compiles)
        return
    known = _known_ops(target)
    problems = [problem for node in graph.node for problem in _fit(node, known)]
    problems += [(function.signature.name, "a function") for function in graph.library.function]
    _require_none(target, problems)
    graph.versions.producer = _OLD_PRODUCER
    graph.versions.min_consumer = 0


def _load_in_openvino(graph: Any, *, compiles: bool) -> None:
    """Load the graph in OpenVINO as a camera does; if `compiles` is false, only convert it."""
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
                f"openvino cannot read the graph: {reason}; TensorFlow can: omit --consumer "
                'openvino, and set inference.engine = "tensorflow" in the environment file'
            ) from None


def _fit(node: Any, ops: _Ops) -> list[tuple[str, str]]:
    """Rewrite a node in place, and return its name with a reason for each incompatibility."""
    original = node.op
    if original not in ops and _OLDER_NAMES.get(original) in ops:
        node.op = _OLDER_NAMES[original]
        for attribute in _NEWER_ATTRIBUTES.get(original, ()):
            node.attr.pop(attribute, None)
    if node.op not in ops:
        return [(node.name, f"op {original}")]
    known = ops[node.op]
    problems = []
    for key in list(node.attr):
        if key in known:
            allowed = known[key]
            if allowed and node.attr[key].type and node.attr[key].type not in allowed:
                problems.append((node.name, f"{original} of type number {node.attr[key].type}"))
        elif key.startswith("_") or _is_default(node.attr[key], _defaults_of(original).get(key)):
            del node.attr[key]
        else:
            problems.append((node.name, f"{original} with {key}"))
    return problems


def _is_default(value: Any, default: Any) -> bool:
    return default is not None and value.SerializeToString(
        deterministic=True
    ) == default.SerializeToString(deterministic=True)


def _require_none(target: TargetRuntime, problems: Iterable[tuple[str, str]]) -> None:
    unique = sorted(set(problems))
    if not unique:
        return
    listed = ", ".join(f"{name} ({reason})" for name, reason in unique[:_MOST_LISTED])
    more = f" and {len(unique) - _MOST_LISTED} more" if len(unique) > _MOST_LISTED else ""
    raise FreezeError(f"{target.value} cannot read {listed}{more}")


@cache
def _known_ops(target: TargetRuntime) -> _Ops:
    document = json.loads((_LISTS / f"{target.value}.json").read_text(encoding="utf-8"))
    ops: _Ops = document["ops"]
    return ops


@cache
def _defaults_of(op: str) -> dict[str, Any]:
    """Return the default values of the attributes of `op` in the installed TensorFlow."""
    from tensorflow.python.framework import op_def_registry  # noqa: PLC0415 - takes seconds to import

    definition = op_def_registry.get(op)
    return {
        attribute.name: attribute.default_value
        for attribute in (definition.attr if definition else ())
        if attribute.HasField("default_value")
    }
