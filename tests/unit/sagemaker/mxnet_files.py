"""MXNet's files, written without MXNet, as in its documentation and ndarray.cc."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_TYPES = {"float32": 0, "float64": 1, "float16": 2, "uint8": 3, "int32": 4, "int8": 5, "int64": 6}

Arrays = dict[str, npt.NDArray[Any]]


def parameters(arrays: Arrays, version: int = V2) -> bytes:
    """Return the bytes of `mx.nd.save`; version 0 is the format of MXNet before 0.9."""
    written = [struct.pack("<QQQ", 0x112, 0, len(arrays))]
    written += [_array(array, version) for array in arrays.values()]
    written.append(struct.pack("<Q", len(arrays)))
    written += [struct.pack("<Q", len(name)) + name.encode() for name in arrays]
    return b"".join(written)


def _array(array: npt.NDArray[Any], version: int) -> bytes:
    rank, sides = array.ndim, array.shape
    head = b""
    if version:
        head += struct.pack("<I", version)
    if version in {V2, V3}:
        head += struct.pack("<i", 0)
    head += struct.pack(f"<I{rank}{'q' if version else 'I'}", rank, *sides)
    device = struct.pack("<ii", 1, 0)
    return head + device + struct.pack("<i", _TYPES[array.dtype.name]) + array.tobytes()


def symbol() -> dict[str, Any]:
    """Return a small image classifier's graph: convolution, norm, dense, softmax with label."""

    def variable(name: str) -> dict[str, Any]:
        return {"op": "null", "name": name, "inputs": []}

    def node(op: str, name: str, inputs: list[int], **attrs: str) -> dict[str, Any]:
        return {
            "op": op,
            "name": name,
            "attrs": attrs,
            "inputs": [[number, 0, 0] for number in inputs],
        }

    nodes = [
        variable("data"), variable("conv_weight"), variable("conv_bias"),
        node("Convolution", "conv", [0, 1, 2], num_filter="4", kernel="(3, 3)"),
        variable("gamma"), variable("beta"), variable("moving_mean"), variable("moving_var"),
        node("BatchNorm", "norm", [3, 4, 5, 6, 7], eps="0.001"),
        node("Flatten", "flat", [8]),
        variable("fc_weight"), variable("fc_bias"),
        node("FullyConnected", "fc", [9, 10, 11], num_hidden="3"),
        variable("softmax_label"),
        node("SoftmaxOutput", "softmax", [12, 13]),
    ]  # fmt: skip
    return {
        "nodes": nodes,
        "arg_nodes": [0, 1, 2, 4, 5, 6, 7, 10, 11, 13],
        "node_row_ptr": list(range(len(nodes) + 1)),
        "heads": [[14, 0, 0]],
        "attrs": {"mxnet_version": ["int", 10901]},
    }


def weights() -> Arrays:
    """Return the parameters of `symbol` for images of 3 channels and 8 x 8 pixels."""
    random = np.random.default_rng(0)
    shapes = {
        "arg:conv_weight": (4, 3, 3, 3), "arg:conv_bias": (4,), "arg:gamma": (4,),
        "arg:beta": (4,), "aux:moving_mean": (4,), "aux:moving_var": (4,),
        "arg:fc_weight": (3, 144), "arg:fc_bias": (3,),
    }  # fmt: skip
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


SHAPES = [{"name": "data", "shape": [1, 3, 8, 8]}]


def write(
    folder: Path,
    graph: dict[str, Any] | None = None,
    arrays: Arrays | None = None,
    shapes: object = SHAPES,
) -> Path:
    """Write the three files of a model; return their folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model-symbol.json").write_text(json.dumps(graph or symbol()))
    (folder / "model-0000.params").write_bytes(parameters(arrays or weights()))
    (folder / "model-shapes.json").write_text(json.dumps(shapes))
    return folder
