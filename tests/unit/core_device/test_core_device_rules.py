"""A core device's rules: access control, recipe variables, configuration, unpacking."""

import zipfile
from pathlib import Path

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from local_aws.core_device.access_control import PUBLISH, SUBSCRIBE, is_allowed
from local_aws.core_device.configuration import interpolated, updated
from local_aws.core_device.errors import DeploymentFailed
from local_aws.core_device.ipc import encode
from local_aws.core_device.store import unpack


def policy(
    *resources: str, operation: str = "aws.greengrass#PublishToIoTCore"
) -> dict[str, object]:
    rule = {"operations": [operation], "resources": list(resources)}
    return {"accessControl": {"aws.greengrass.ipc.mqttproxy": {"c:mqttproxy:1": rule}}}


@pytest.mark.parametrize(
    ("resource", "topic", "allowed"),
    [
        ("deeplens/{iot:thingName}/infer", "deeplens/cam/infer", True),
        ("deeplens/{iot:thingName}/infer", "deeplens/other/infer", False),
        ("deeplens/+/infer", "deeplens/x/infer", True),
        ("deeplens/+/infer", "deeplens/x/y/infer", False),
        ("deeplens/#", "deeplens/x/y", True),
        ("deeplens/*", "deeplens/x/y", True),
        ("*", "anything", True),
        ("a.c", "abc", False),
    ],
)
def test_a_component_publishes_what_its_access_control_names(
    resource: str, topic: str, *, allowed: bool
) -> None:
    assert is_allowed(PUBLISH, policy(resource), topic, thing="cam", interpolate=True) is allowed


def test_without_the_nucleus_setting_a_thing_name_stays_text() -> None:
    rule = policy("deeplens/{iot:thingName}/infer")
    assert not is_allowed(PUBLISH, rule, "deeplens/cam/infer", thing="cam", interpolate=False)


def test_another_operation_allows_nothing() -> None:
    rule = policy("*", operation="aws.greengrass#SubscribeToIoTCore")
    assert not is_allowed(PUBLISH, rule, "x", thing="cam", interpolate=True)
    assert is_allowed(SUBSCRIBE, rule, "x", thing="cam", interpolate=True)


def test_recipe_variables_of_direct_dependencies_are_filled_in() -> None:
    folders = {"model.a": {"artifacts:path": Path("/x"), "work:path": Path("/w")}}
    text = "{model.a:artifacts:path}/m.zip {model.b:artifacts:path} {model.a:work:path} {a.b:c:d}"
    filled = interpolated(text, "inference", folders)
    assert filled == "/x/m.zip {model.b:artifacts:path} /w {a.b:c:d}"


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
    with pytest.raises(DeploymentFailed, match="leaves its folder"):
        unpack(archive, tmp_path / "out" / "x")
    assert not (tmp_path / "out" / "x").exists()
    assert not (tmp_path / "evil").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "x.zip"
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(DeploymentFailed, match="is a link"):
        unpack(archive, tmp_path / "out")


@given(st.binary(max_size=500), st.integers(-(2**31), 2**31 - 1), st.text(max_size=50))
def test_event_stream_messages_are_what_a_decoder_expects(
    payload: bytes, number: int, text: str
) -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(encode({":stream-id": number, "kind": text}, payload))
    found = next(buffer).to_response_dict()
    assert found["headers"] == {":stream-id": number, "kind": text}
    assert found["body"] == payload
