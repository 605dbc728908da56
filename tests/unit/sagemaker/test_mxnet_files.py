"""MXNet's files are read as MXNet writes them, and errors are reported before an upload."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from model_tools.errors import ModelToolsError, SourceError
from model_tools.mxnet.model import FILES, read_mxnet
from model_tools.mxnet.params import MxnetParameter, read_parameters
from tests.unit.sagemaker import mxnet_files

VERSIONS = (0, mxnet_files.V1, mxnet_files.V2, mxnet_files.V3)


@given(
    st.sampled_from(VERSIONS),
    st.dictionaries(
        st.sampled_from(["arg:a", "aux:b", "c"]),
        arrays.arrays(
            st.sampled_from([np.float32, np.float16, np.uint8, np.int64]),
            arrays.array_shapes(max_dims=4, max_side=4),
            elements=st.integers(0, 100),
        ),
    ),
)
def test_every_version_of_the_format_is_read(
    tmp_path_factory: pytest.TempPathFactory, version: int, given_: dict[str, Any]
) -> None:
    file = tmp_path_factory.mktemp("params") / "model-0000.params"
    file.write_bytes(mxnet_files.parameters(given_, version))
    assert read_parameters(file) == {
        name: MxnetParameter(name, array.shape, array.dtype.name) for name, array in given_.items()
    }


def test_a_truncated_file_is_an_error(tmp_path: Path) -> None:
    content = mxnet_files.parameters({"arg:a": np.ones((2, 3), np.float32)})
    file = tmp_path / "p.params"
    for length in range(len(content)):
        file.write_bytes(content[:length])
        with pytest.raises(SourceError, match="is truncated"):
            read_parameters(file)
    file.write_bytes(content + b"\0")
    with pytest.raises(SourceError, match="after its end"):
        read_parameters(file)


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_changed_byte_is_read_or_rejected(
    tmp_path_factory: pytest.TempPathFactory, index: int, value: int
) -> None:
    content = bytearray(mxnet_files.parameters({"arg:a": np.ones((2, 3), np.float32)}))
    content[index % len(content)] = value
    file = tmp_path_factory.mktemp("params") / "p.params"
    file.write_bytes(content)
    try:
        read_parameters(file)
    except ModelToolsError:
        return


def test_a_model_whose_files_belong_together_is_read(tmp_path: Path) -> None:
    model = read_mxnet(mxnet_files.write(tmp_path))
    assert model.inputs == {"data": (1, 3, 8, 8)}
    assert model.parameters == 108 + 4 * 5 + 432 + 3


@pytest.mark.parametrize("name", FILES)
def test_the_error_of_a_missing_file_contains_how_to_write_it(tmp_path: Path, name: str) -> None:
    (mxnet_files.write(tmp_path) / name).unlink()
    with pytest.raises(SourceError, match=f"has no {name}: "):
        read_mxnet(tmp_path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda given: given.update({"arg:other": np.ones(2, np.float32)}), "other is not in"),
        (lambda given: given.pop("arg:fc_bias"), "fc_bias of model-symbol.json has no value"),
        (
            lambda given: given.update({"arg:conv_bias": np.ones(5, np.float32)}),
            "to another symbol",
        ),
        (
            lambda given: given.update({"arg:conv_weight": np.ones((4, 3, 5, 5), np.float32)}),
            "to another symbol",
        ),
        (lambda given: given.update({"gamma": given.pop("arg:gamma")}), "net.export"),
        (
            lambda given: given.update({"arg:beta": np.full(4, np.nan, np.float32)}),
            "params-value",
        ),
    ],
)
def test_parameters_of_another_symbol_are_an_error(
    tmp_path: Path, change: Callable[[mxnet_files.Arrays], None], expected: str
) -> None:
    weights = mxnet_files.weights()
    change(weights)
    with pytest.raises(ModelToolsError, match=expected):
        read_mxnet(mxnet_files.write(tmp_path, arrays=weights))


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        (
            [{"name": "image", "shape": [1, 3, 8, 8]}],
            "image, which is not an .*: expected data",
        ),
        (
            [{"name": "data", "shape": [1, 1, 8, 8]}],
            r"\[1, 1, 8, 8\] of data does not match conv",
        ),
        ([{"name": "data", "shape": [1, 3, 8]}], "expected 4 sides"),
        ([{"name": "data", "shape": [0, 3, 8, 8]}], "above 0"),
        ([{"name": "data", "shape": "1,3,8,8"}], "expected a list such as"),
        ({"data": [1, 3, 8, 8]}, "expected a list such as"),
        ([], "expected a list such as"),
    ],
)
def test_shapes_that_do_not_match_the_symbol_are_an_error(
    tmp_path: Path, shapes: object, expected: str
) -> None:
    with pytest.raises(SourceError, match=expected):
        read_mxnet(mxnet_files.write(tmp_path, shapes=shapes))


def test_a_shape_in_the_symbol_is_checked(tmp_path: Path) -> None:
    graph = mxnet_files.symbol()
    graph["nodes"][0]["attrs"] = {"__shape__": "(0, 3, 16, 16)"}
    with pytest.raises(SourceError, match=r"requires \[0, 3, 16, 16\]"):
        read_mxnet(mxnet_files.write(tmp_path, graph))


@pytest.mark.parametrize(
    "break_",
    [
        lambda graph: graph.pop("nodes"),
        lambda graph: graph.update(heads=[[99, 0, 0]]),
        lambda graph: graph["nodes"][3].update(inputs=[[9, 0, 0]]),
        lambda graph: graph["nodes"][3].update(inputs="data"),
        lambda graph: graph["nodes"][3].update(name=None),
        lambda graph: graph["nodes"][3].update(attrs=[]),
        lambda graph: graph["nodes"].append(graph["nodes"][0]),
    ],
)
def test_a_broken_symbol_is_an_error(
    tmp_path: Path, break_: Callable[[dict[str, Any]], None]
) -> None:
    graph = mxnet_files.symbol()
    break_(graph)
    with pytest.raises(SourceError, match=r"model-symbol\.json"):
        read_mxnet(mxnet_files.write(tmp_path, graph))
