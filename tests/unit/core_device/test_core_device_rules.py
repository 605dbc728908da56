"""A core device applies the rules for recipe variables, configuration and archives."""

import re
import zipfile
from pathlib import Path

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from local_aws.core_device.artifact_store import unpack
from local_aws.core_device.configuration import interpolated, updated, with_configuration
from local_aws.core_device.errors import DeploymentFailed
from local_aws.core_device.ipc import encode


def test_recipe_variables_of_direct_dependencies_are_filled_in() -> None:
    folders = {"model.a": {"artifacts:path": Path("/x"), "work:path": Path("/w")}}
    text = "{model.a:artifacts:path}/m.zip {model.b:artifacts:path} {model.a:work:path} {a.b:c:d}"
    filled = interpolated(text, "inference", folders)
    assert filled == "/x/m.zip {model.b:artifacts:path} /w {a.b:c:d}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run {configuration:/level}", "run high"),
        ("{configuration:/deep/a~1b}", "[1, 2]"),
        ("{configuration:/deep}", '{"a/b": [1, 2]}'),
        ("{configuration:/absent} {configuration:/level/x}", None),
        ("{iot:thingName} ${HOME}", None),
    ],
)
def test_values_of_the_configuration_are_filled_in(text: str, expected: str | None) -> None:
    configuration = {"level": "high", "deep": {"a/b": [1, 2]}}
    assert with_configuration(text, configuration) == (text if expected is None else expected)


json_objects = st.dictionaries(
    st.sampled_from(["a", "b", "c", "abc", "Z"]),
    st.recursive(
        st.integers() | st.sampled_from(["", "x", "é"]),
        lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        max_leaves=4,
    ),
    max_size=4,
)


@given(json_objects, json_objects)
def test_a_merge_wins_and_merging_twice_changes_nothing(
    defaults: dict[str, object], merge: dict[str, object]
) -> None:
    once = updated(defaults, None, {"merge": merge})
    assert updated(defaults, once, {"merge": merge}) == once
    assert set(once) == set(defaults) | set(merge)


@given(json_objects, json_objects)
def test_resetting_everything_gives_the_defaults(
    defaults: dict[str, object], current: dict[str, object]
) -> None:
    assert updated(defaults, current, {"reset": [""]}) == defaults


def test_a_reset_gives_one_value_its_default() -> None:
    defaults = {"a": {"b": 1}}
    assert updated(defaults, {"a": {"b": 2, "c": 3}}, {"reset": ["/a/b", "/a/c"]}) == defaults


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "a\\b"])
def test_a_member_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "x.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("good", "x")
        packed.writestr(name, "x")
    with pytest.raises(DeploymentFailed, match=re.escape(repr(name))):
        unpack(archive, tmp_path / "out" / "x")
    assert not (tmp_path / "out" / "x").exists()
    assert not (tmp_path / "evil").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(DeploymentFailed, match="'link'"):
        unpack(archive, tmp_path / "out")


@given(st.binary(max_size=500), st.integers(-(2**31), 2**31 - 1), st.text(max_size=50))
def test_event_stream_messages_are_what_a_decoder_expects(
    payload: bytes, number: int, text: str
) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(encode({":stream-id": number, "kind": text}, payload))
    decoded = next(buffer).to_response_dict()
    assert decoded["headers"] == {":stream-id": number, "kind": text}
    assert decoded["body"] == payload
