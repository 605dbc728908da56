"""Sizes that a small file declares are checked before memory is allocated."""

from math import prod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.errors import RefusedError, SourceError
from model_tools.graph.messages import message_class, read_message, scan_file
from model_tools.graph.outputs import LARGEST_OUTPUT_BYTES, check_outputs
from model_tools.sandbox import Limits

GRAPH = message_class("GraphDef")
SAVED_MODEL = message_class("SavedModel")
FLOAT, INT32, INT64 = 1, 3, 9
LARGE = 1 << 14


def graph_of(op: str, *inputs: Any, **attributes: int) -> Any:
    """Return a graph with one node of type `op`; each input is a list of integers or a number."""
    graph = message_class("GraphDef")()
    node = graph.node.add(name="large", op=op)
    node.attr["T"].type = FLOAT
    for name, value in attributes.items():
        node.attr[name].type = value
    for number, value in enumerate(inputs):
        constant = graph.node.add(name=f"c{number}", op="Const")
        tensor = constant.attr["value"].tensor
        tensor.dtype = INT32
        if isinstance(value, list):
            tensor.tensor_shape.dim.add(size=len(value))
        tensor.int_val.extend(value if isinstance(value, list) else [value])
        graph.node.add(name=f"i{number}", op="Identity", input=[f"c{number}"])
        node.input.append(f"i{number}:0")
    return graph


@pytest.mark.parametrize(
    ("op", "inputs"),
    [
        ("Fill", ([LARGE, LARGE], 0)),
        ("BroadcastTo", (0, [LARGE, LARGE])),
        ("Tile", ([0, 0], [LARGE, LARGE])),
        ("Range", (0, 1 << 30, 1)),
        ("Range", (1 << 30, 0, -1)),
        ("LinSpace", (0, 1, 1 << 30)),
        ("Pad", ([0, 0], [LARGE, 0, 0, LARGE])),
        ("PadV2", ([0, 0], [LARGE, LARGE, LARGE, LARGE], 0)),
        ("MirrorPad", ([0, 0], [LARGE, LARGE, LARGE, LARGE])),
        ("RandomUniform", ([LARGE, LARGE],)),
        ("ResizeBilinear", (0, [LARGE, LARGE])),
        ("CropAndResize", (0, 0, 0, [LARGE, LARGE])),
        ("OneHot", (0, 1 << 30, 1, 0)),
        ("ScatterNd", (0, 0, [LARGE, LARGE])),
        ("Conv2DBackpropInput", ([1, LARGE, LARGE, 3], 0, 0)),
        ("TensorListReserve", (0, 1 << 30)),
        ("Bincount", (0, 1 << 30, 0)),
    ],
)
def test_an_output_that_is_known_to_be_too_large_is_rejected(op: str, inputs: Any) -> None:
    with pytest.raises(RefusedError, match=rf"output-size: 'large' \({op}\) makes a tensor of"):
        check_outputs([graph_of(op, *inputs).node])


@given(
    st.sampled_from(["Fill", "BroadcastTo", "Tile", "Pad", "Range", "OneHot", "LinSpace", "Empty"]),
    st.lists(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=6), max_size=4),
)
def test_any_constants_pass_or_are_rejected(op: str, inputs: list[list[int]]) -> None:
    graph = graph_of(op, *inputs)
    try:
        check_outputs([graph.node])
    except RefusedError:
        return
    if op == "Fill" and inputs and all(side > 0 for side in inputs[0]):
        assert prod(inputs[0]) * 4 <= LARGEST_OUTPUT_BYTES


def test_outputs_of_ordinary_sizes_pass() -> None:
    for graph in (
        graph_of("Fill", [1, 2048, 2048, 3], 0),
        graph_of("Pad", [0] * 4, [0, 0, 3, 3, 3, 3, 0, 0]),
        graph_of("ResizeBilinear", 0, [1024, 1024]),
        graph_of("Range", 0, 100_000, 1),
        graph_of("Range", 0, 1, 0),
        graph_of("Fill"),
    ):
        check_outputs([graph.node])


def test_constants_are_read_in_each_form() -> None:
    graph = graph_of("Fill", [2, 2], 0)
    tensor = graph.node[1].attr["value"].tensor
    tensor.dtype = INT64
    tensor.ClearField("int_val")
    # TensorFlow repeats a single value for the complete tensor.
    tensor.int64_val.append(LARGE)
    with pytest.raises(RefusedError, match="1073741824 bytes"):
        check_outputs([graph.node])
    tensor.ClearField("int64_val")
    tensor.tensor_content = LARGE.to_bytes(8, "little") * 2
    with pytest.raises(RefusedError, match="1073741824 bytes"):
        check_outputs([graph.node])


# Messages as bytes


@pytest.mark.parametrize(
    ("name", "unit"),
    [("GraphDef", b"\x0a\x00"), ("SavedModel", b"\x12\x00"), ("GraphDef", b"\x12\x02\x0a\x00")],
)
def test_a_file_of_empty_messages_is_rejected_before_it_is_parsed(
    tmp_path: Path, name: str, unit: bytes
) -> None:
    file = tmp_path / "graph.pb"
    file.write_bytes(unit * 200)
    with pytest.raises(RefusedError, match="over 199 messages and strings"):
        scan_file(file, message_class(name), 199)
    assert scan_file(file, message_class(name), 400)


def test_a_text_file_of_empty_messages_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "graph.pbtxt"
    file.write_text("node{}" * 1000)
    assert len(read_message(file, "GraphDef").node) == 1000
    monkeypatch.setattr("model_tools.graph.messages.MOST_PARTS", 999)
    with pytest.raises(RefusedError, match="message-parts"):
        read_message(file, "GraphDef")
    monkeypatch.setattr("model_tools.graph.messages.LARGEST_TEXT_BYTES", 5999)
    with pytest.raises(RefusedError, match="above the limit of 5999 bytes"):
        read_message(file, "GraphDef")


def test_the_fields_of_a_message_are_read_without_parsing(tmp_path: Path) -> None:
    saved = SAVED_MODEL()
    meta = saved.meta_graphs.add()
    meta.object_graph_def.nodes.add()
    meta.graph_def.node.add(name="x", op="Const").attr["value"].tensor.float_val.extend([1, 2])
    file = tmp_path / "saved_model.pb"
    file.write_bytes(saved.SerializeToString())
    assert scan_file(file, SAVED_MODEL) == {
        "meta_graphs",
        "meta_graphs.object_graph_def",
        "meta_graphs.graph_def",
    }
    file.write_bytes(b"")
    assert scan_file(file, SAVED_MODEL) == frozenset()


@given(st.binary(max_size=200), st.booleans())
def test_valid_messages_are_scanned_and_broken_ones_are_one_error(
    tmp_path_factory: pytest.TempPathFactory,
    content: bytes,
    is_node: bool,  # noqa: FBT001
) -> None:
    file = tmp_path_factory.mktemp("pb") / "graph.pb"
    if is_node:
        graph = message_class("GraphDef")()
        graph.node.add(name="x", op=str(content)).attr["a"].s = content
        content = graph.SerializeToString()
    file.write_bytes(content)
    try:
        fields = scan_file(file, GRAPH)
    except SourceError:
        return
    try:
        graph = GRAPH.FromString(content)
    except Exception:  # noqa: BLE001 - the parser may reject messages that the scan accepts
        return
    assert ("node" in fields) >= bool(len(graph.node))


def test_memory_follows_the_size_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MODEL_TOOLS_MEMORY_MIB", raising=False)
    small, large = tmp_path / "small.pb", tmp_path / "model" / "variables" / "data"
    small.write_bytes(b"x")
    large.parent.mkdir(parents=True)
    with large.open("wb") as file:
        file.truncate(640 << 20)
    assert Limits.for_files(small).memory_mib == 3 * 1024
    assert Limits.for_files(tmp_path / "model").memory_mib == 3 * 1024 + 18 * 640
    (tmp_path / "ckpt.index").write_bytes(b"x")
    with (tmp_path / "ckpt.data-00000-of-00001").open("wb") as file:
        file.truncate(100 << 20)
    assert Limits.for_files(tmp_path / "ckpt").memory_mib == 3 * 1024 + 18 * 100
    monkeypatch.setenv("MODEL_TOOLS_MEMORY_MIB", "500")
    assert Limits.for_files(small).memory_mib == 500
