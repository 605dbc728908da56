"""Malicious files are rejected with the name of a rule, and nothing is written."""

import gzip
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_tools.errors import IsolationError, ModelToolsError, RefusedError, SourceError
from model_tools.formats.archives import check_zip, unpack_tar
from model_tools.formats.detect import find_model
from model_tools.formats.keras_config import check_keras_config, check_layout
from model_tools.formats.signatures import Choice
from model_tools.graph.messages import message_class
from model_tools.graph.rules import check_ops, check_structure
from model_tools.sandbox import Limits, isolated
from testkit.fuzz.targets import CORPUS

pytestmark = pytest.mark.process

FLOAT, STRING = 1, 7


def tar_of(*members: tarfile.TarInfo, format_: int = tarfile.PAX_FORMAT) -> bytes:
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w:gz", format=format_) as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return output.getvalue()


def member(
    name: str, size: int = 1, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    info.size = size if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize(
    ("members", "rule"),
    [
        ([member("../evil")], "archive-name"),
        ([member("/evil")], "archive-name"),
        ([member("a/../../evil")], "archive-name"),
        ([member("a\\evil")], "archive-name"),
        ([member("a\nb")], "archive-name"),
        ([member("a\u202eb")], "archive-name"),
        ([member("x" * 600)], "archive-name"),
        ([member("a"), member("a")], "archive-member"),
        ([member("Model.pb"), member("model.PB")], "archive-member"),
        ([member("\u00e9"), member("e\u0301")], "archive-member"),
        ([member("link", kind=tarfile.SYMTYPE, link="/etc/passwd")], "archive-member"),
        ([member("link", kind=tarfile.LNKTYPE, link="a")], "archive-member"),
        ([member("device", kind=tarfile.CHRTYPE)], "archive-member"),
        ([member("pipe", kind=tarfile.FIFOTYPE)], "archive-member"),
        ([member(f"f{number}") for number in range(10_001)], "archive-size"),
    ],
)
def test_a_hostile_tar_is_rejected_and_nothing_is_written(
    tmp_path: Path, members: list[tarfile.TarInfo], rule: str
) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(tar_of(member("good", 9), *members))
    with pytest.raises(RefusedError) as error:
        unpack_tar(archive, tmp_path / "out")
    assert error.value.rule == rule
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.tar.gz"]


def test_an_archive_bomb_is_rejected_while_it_is_read(tmp_path: Path) -> None:
    archive = tmp_path / "bomb.tar.gz"
    archive.write_bytes(tar_of(member("zeros", 8 << 20)))
    with pytest.raises(RefusedError, match="archive-size: over 1048576 bytes"):
        unpack_tar(archive, tmp_path / "out", most_bytes=1 << 20)
    assert not (tmp_path / "out").exists()


def test_a_header_that_would_fill_the_memory_is_rejected(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1 << 30
    archive = tmp_path / "pax.tar.gz"
    archive.write_bytes(gzip.compress(header.tobuf(tarfile.USTAR_FORMAT)))
    with pytest.raises(RefusedError, match="archive-size: an extended header"):
        unpack_tar(archive, tmp_path / "out")


@pytest.mark.parametrize("format_", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_a_valid_tar_of_any_format_is_unpacked(tmp_path: Path, format_: int) -> None:
    long_name = "export/Servo/1/" + "v" * (80 if format_ == tarfile.USTAR_FORMAT else 180)
    archive = tmp_path / "model.tar.gz"
    folder = member("./export", kind=tarfile.DIRTYPE)
    archive.write_bytes(tar_of(folder, member(long_name, 700), format_=format_))
    unpack_tar(archive, tmp_path / "out")
    assert (tmp_path / "out" / long_name).read_bytes() == b"x" * 700


@given(st.data())
def test_a_broken_tar_is_unpacked_or_rejected(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(gzip.decompress(tar_of(member("a/b", 600), member("c", 3))))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    folder = tmp_path_factory.mktemp("tar")
    (folder / "x.tar.gz").write_bytes(gzip.compress(bytes(content), compresslevel=1))
    try:
        unpack_tar(folder / "x.tar.gz", folder / "out")
    except RefusedError:
        assert not (folder / "out").exists()
    assert {path.name for path in folder.iterdir()} <= {"x.tar.gz", "out"}


def graph_with(change: Callable[[Any], None]) -> Any:
    graph = message_class("GraphDef")()
    graph.node.add(name="image", op="Placeholder").attr["dtype"].type = FLOAT
    change(graph)
    return graph


def recursive_function(graph: Any) -> None:
    function = graph.library.function.add()
    function.signature.name = "forever"
    function.node_def.add(name="again", op="forever")
    graph.node.add(name="y", op="forever")


def mutual_recursion(graph: Any) -> None:
    for name, other in (("ping", "pong"), ("pong", "ping")):
        function = graph.library.function.add()
        function.signature.name = name
        function.node_def.add(name="call", op="PartitionedCall").attr["f"].func.name = other


def deep_calls(graph: Any) -> None:
    for number in range(100):
        function = graph.library.function.add()
        function.signature.name = f"f{number}"
        function.node_def.add(name="call", op=f"f{number + 1}")


def huge_constant(graph: Any) -> None:
    tensor = graph.node.add(name="y", op="Const").attr["value"].tensor
    tensor.dtype = FLOAT
    tensor.tensor_shape.dim.add(size=1 << 30)
    tensor.float_val.append(1)


def negative_constant(graph: Any) -> None:
    tensor = graph.node.add(name="y", op="Const").attr["value"].tensor
    tensor.dtype = FLOAT
    tensor.tensor_shape.dim.add(size=-5)


def many_strings(graph: Any) -> None:
    tensor = graph.node.add(name="y", op="Const").attr["value"].tensor
    tensor.dtype = STRING
    tensor.tensor_shape.dim.add(size=1 << 40)


def cycle(graph: Any) -> None:
    graph.node.add(name="a", op="Neg", input=["b"])
    graph.node.add(name="b", op="Neg", input=["a"])


def long_chain(graph: Any) -> None:
    for number in range(20_100):
        graph.node.add(name=f"n{number}", op="Neg", input=[f"n{number - 1}" if number else "image"])


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (recursive_function, "recursion"),
        (mutual_recursion, "recursion"),
        (deep_calls, "depth"),
        (huge_constant, "tensor-size"),
        (negative_constant, "tensor-size"),
        (many_strings, "tensor-size"),
        (cycle, "recursion"),
        (long_chain, "depth"),
        (lambda graph: graph.node.add(name="image", op="Neg"), "node-name"),
        (lambda graph: graph.node.add(name="a b\n", op="Neg"), "node-name"),
        (lambda graph: graph.node.add(name="y", op="Neg", input=["nobody"]), "dangling-input"),
    ],
)
def test_a_graph_that_could_harm_its_reader_is_rejected(
    change: Callable[[Any], None], rule: str
) -> None:
    with pytest.raises(RefusedError) as error:
        check_structure(graph_with(change))
    assert error.value.rule == rule


@pytest.mark.parametrize(
    "op",
    ["ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PrintV2", "RestoreV2", "SaveV2", "Foo"],
)
def test_an_op_with_effects_on_the_host_is_rejected_by_name(op: str) -> None:
    graph = graph_with(lambda graph: graph.node.add(name="y", op=op, input=["image"]))
    with pytest.raises(RefusedError, match=rf"op-allowed: the model needs {op} \(y\)"):
        check_ops(graph, ["y"])


def test_an_op_inside_a_function_is_checked() -> None:
    graph = graph_with(lambda _: None)
    function = graph.library.function.add()
    function.signature.name = "inner"
    function.node_def.add(name="steal", op="ReadFile")
    graph.node.add(name="y", op="PartitionedCall", input=["image"]).attr["f"].func.name = "inner"
    check_structure(graph)
    with pytest.raises(RefusedError, match="ReadFile"):
        check_ops(graph, ["y"])


def test_nodes_that_no_output_needs_are_not_checked() -> None:
    graph = graph_with(lambda graph: graph.node.add(name="save", op="SaveV2", input=["image"]))
    check_ops(graph, ["image"])


@given(st.binary(max_size=400))
def test_any_bytes_are_checked_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    folder = tmp_path_factory.mktemp("graph")
    file = folder / "graph.pb"
    file.write_bytes(content)
    with pytest.raises(ModelToolsError):
        find_model(file, folder).check(Choice())


@pytest.mark.parametrize("name", ["graph.pbtxt", "graph.pb", "model.h5", "model.keras", "x.tar.gz"])
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"node {" * 5_000, b"PK\3\4junk"])
def test_a_file_whose_content_does_not_fit_its_suffix_is_one_error(
    tmp_path: Path, name: str, content: bytes
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ModelToolsError):
        find_model(file, tmp_path).check(Choice())


def keras_file(file: Path, config: object) -> Path:
    weights = io.BytesIO()
    with h5py.File(weights, "w") as opened:
        opened["w"] = 1.0
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", "{}")
        archive.writestr("model.weights.h5", weights.getvalue())
    return file


@pytest.mark.parametrize(
    ("module", "name", "registered"),
    [
        ("keras.layers", "Lambda", None),
        ("keras.layers", "TFSMLayer", None),
        ("builtins", "exec", None),
        ("os", "system", None),
        ("keras.config", "enable_unsafe_deserialization", None),
        ("keras.utils", "get_file", None),
        ("keras", "Evil", None),
        ("keras.layers", "Dense", "my_package>Dense"),
        ("my_package", "Layer", "my_package>Layer"),
    ],
)
def test_a_keras_file_builds_only_layers_of_keras(
    tmp_path: Path, module: str, name: str, registered: str | None
) -> None:
    layer = {"module": module, "class_name": name, "config": {}, "registered_name": registered}
    model = {"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}}
    with pytest.raises(RefusedError, match="keras-class"):
        check_keras_config(keras_file(tmp_path / "m.keras", model))


def test_a_member_that_keras_does_not_write_is_rejected(tmp_path: Path) -> None:
    file = keras_file(tmp_path / "m.keras", {})
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("../assets/evil", "x")
    with pytest.raises(RefusedError, match="archive-"):
        check_zip(file)


@pytest.mark.parametrize("kind", ["external link", "soft link", "external data"])
def test_hdf5_that_refers_to_other_files_is_rejected(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "m.h5"
    with h5py.File(file, "w") as opened:
        if kind == "external link":
            opened["w"] = h5py.ExternalLink("/etc/passwd", "/")
        elif kind == "soft link":
            opened["w"] = h5py.SoftLink("/nowhere")
        else:
            opened.create_dataset("w", (4,), "u1", external=[(str(tmp_path / "raw"), 0, 4)])
    with pytest.raises(RefusedError, match="keras-link"):
        check_layout(file)


def test_weights_without_a_model_name_the_call_that_saves_both(tmp_path: Path) -> None:
    file = tmp_path / "weights.h5"
    with h5py.File(file, "w") as opened:
        opened["w"] = 1.0
    with pytest.raises(RefusedError, match=r"save the model with model\.save"):
        check_keras_config(file)


def crash() -> None:
    import ctypes  # noqa: PLC0415 - only the crashing process needs the module

    ctypes.string_at(0)


def hoard() -> int:
    return len(bytearray(4 << 30))


def allocate_a_part() -> int:
    return len(bytearray(256 << 20))


def compute_on() -> None:
    while True:
        pass


def use_memory_and_crash() -> None:
    import time  # noqa: PLC0415 - only the crashing process needs the module

    held = bytearray(900 << 20)
    # The parent process measures memory five times per second, so the memory remains in use for 2
    # s.
    time.sleep(2)
    crash()
    held.clear()


def print_bad_alloc_and_abort() -> None:
    import os  # noqa: PLC0415 - only the crashing process needs the module

    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def print_the_cause_and_a_brace_and_exit() -> None:
    import os  # noqa: PLC0415 - only the ending process needs the module

    os.write(2, b"node {\nfunctions differ\n}\n")
    os._exit(3)


def sleep_on() -> None:
    import time  # noqa: PLC0415 - only the killed process needs the module

    time.sleep(600)


def refuse() -> None:
    raise RefusedError("some-rule", "some reason")


@pytest.mark.parametrize(
    ("work", "limits", "error", "expected"),
    [
        (crash, Limits(), IsolationError, "ended by SIGSEGV"),
        (hoard, Limits(memory_mib=1024), IsolationError, "over 1024 MiB"),
        (compute_on, Limits(seconds=1), IsolationError, "over 1 s of processor time and was ended"),
        (sleep_on, Limits(wall_seconds=1), IsolationError, "the machine is busy; try again"),
        (
            use_memory_and_crash,
            Limits(memory_mib=1024),
            IsolationError,
            "over 1024 MiB of memory, the limit; it used 9.. MiB .*MODEL_TOOLS_MEMORY_MIB=2048",
        ),
        (print_bad_alloc_and_abort, Limits(), IsolationError, "needs over 12288 MiB of memory"),
        (
            print_the_cause_and_a_brace_and_exit,
            Limits(),
            IsolationError,
            "ended with exit code 3; its last line: functions differ$",
        ),
        (refuse, Limits(), RefusedError, "some-rule: some reason"),
    ],
)
def test_a_process_that_fails_is_one_error(
    work: Callable[[], object], limits: Limits, error: type[Exception], expected: str
) -> None:
    with pytest.raises(error, match=expected):
        isolated(work, limits=limits)


def test_the_memory_limit_is_added_to_the_memory_at_the_start() -> None:
    """The memory limit applies in addition to the memory at the start.

    The fork server has loaded TensorFlow, which uses over 400 MiB.
    """
    assert isolated(allocate_a_part, limits=Limits(memory_mib=384)) == 256 << 20


def test_a_graph_of_deeply_nested_messages_is_one_error(tmp_path: Path) -> None:
    file = tmp_path / "deep.pb"
    graph = message_class("GraphDef")()
    attribute = graph.node.add(name="x", op="Const").attr["a"]
    file.write_bytes(graph.SerializeToString())
    for _ in range(90):
        attribute = attribute.func.attr["a"]
    file.write_bytes(graph.SerializeToString())
    with pytest.raises((SourceError, RefusedError)):
        find_model(file, tmp_path).check(Choice())
    assert message_class("GraphDef") is type(graph)


# A program between the test and the measured command, because a child inherits its parent's peak
# memory.
MEASURE = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


def zeros_in_a_tar(folder: Path) -> Path:
    """Write an archive of 5 MiB that contains 1 GiB of zeros."""
    header = member("zeros")
    header.size = 1 << 30
    file = folder / "bomb.tar.gz"
    with gzip.open(file, "wb", compresslevel=1) as packed:
        packed.write(header.tobuf())
        for _ in range(1 << 4):
            packed.write(bytes(64 << 20))
    return file


def graph_file(change: Callable[[Any], None]) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        file = folder / "graph.pb"
        file.write_bytes(graph_with(change).SerializeToString())
        return file

    return made


def written(name: str, content: bytes) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return made


def reads_a_file(graph: Any) -> None:
    graph.node.add(name="y", op="ReadFile", input=["image"])


def lambda_layer(folder: Path) -> Path:
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {}}
    return keras_file(folder / "m.keras", {"class_name": "Sequential", "config": [layer]})


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (zeros_in_a_tar, "archive-size"),
        (graph_file(huge_constant), "tensor-size"),
        (graph_file(deep_calls), "depth"),
        (graph_file(reads_a_file), "op-allowed"),
        (written("graph.pbtxt", b"node { " * 200_000), "graph.pbtxt"),
        (written("model.h5", (CORPUS / "h5" / "never-returns").read_bytes()), "keras-layout"),
        (lambda_layer, "keras-class"),
    ],
)
def test_the_command_rejects_it_within_512_mib_and_writes_nothing(
    tmp_path: Path, make: Callable[[Path], Path], expected: str
) -> None:
    file = make(tmp_path)
    command = [Path(sys.executable).with_name("model-tools"), "freeze", file, tmp_path / "frozen"]
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=False
    )
    assert measured.returncode == 2, measured.stderr
    assert expected in measured.stderr
    assert "Traceback" not in measured.stderr
    assert int(measured.stdout) < 512 << 10
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name]
