"""Each nucleus allows the topics in the `accessControl` of a component.

Sources: aws-greengrass-nucleus, WildcardTrie; aws-greengrass-lite, ipc_authz; MQTT 5.0, 4.7.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.core_device.device import NUCLEI
from local_aws.core_device.mqtt_proxy import PUBLISH, SUBSCRIBE, is_allowed
from local_aws.core_device.nucleus import Kind

BOTH = pytest.mark.parametrize("kind", ["classic", "lite"])


def allowed(  # noqa: PLR0913 - each parameter is part of a request
    kind: Kind,
    resource: str,
    topic: str,
    *,
    operation: str = PUBLISH,
    granted: str = PUBLISH,
    interpolate: bool = True,
) -> bool:
    rule = {"operations": [granted], "resources": [resource]}
    configuration = {"accessControl": {"aws.greengrass.ipc.mqttproxy": {"c:mqttproxy:1": rule}}}
    return is_allowed(
        operation,
        configuration,
        topic,
        thing="cam",
        interpolate=interpolate,
        matches=NUCLEI[kind].matches,
    )


@BOTH
@pytest.mark.parametrize(
    ("resource", "topic", "expected"),
    [
        ("deeplens/{iot:thingName}/infer", "deeplens/cam/infer", True),
        ("deeplens/{iot:thingName}/infer", "deeplens/other/infer", False),
        ("deeplens/*", "deeplens/x/y", True),
        ("deeplens/*", "deeplens", False),
        ("*", "anything", True),
        ("a*c*e", "abcde", True),
        ("a*c*e", "abcd", False),
        ("a.c", "abc", False),
        ("a/${*}/b", "a/*/b", True),
        ("a/${*}/b", "a/x/b", False),
    ],
)
def test_both_nuclei_compare_stars_and_escapes(
    kind: Kind, resource: str, topic: str, *, expected: bool
) -> None:
    assert allowed(kind, resource, topic) is expected


@pytest.mark.parametrize(
    ("resource", "topic", "on_classic"),
    [
        ("a/#", "a/x", True),
        ("a/#", "a/x/y", True),
        ("a/#", "a", True),
        ("a/#", "ab/x", False),
        ("#", "a/x", True),
        ("a/+/b", "a/x/b", True),
        ("a/+/b", "a/x/y/b", False),
        ("+/b", "a/b", True),
        ("a/+", "a/x", True),
        ("a/+", "a/x/y", False),
        # A wildcard that is not a complete level is a literal.
        ("a+/b", "ax/b", False),
        ("a/#/b", "a/x/b", False),
    ],
)
def test_mqtt_wildcards_are_for_the_classic_nucleus(
    resource: str, topic: str, *, on_classic: bool
) -> None:
    assert allowed("classic", resource, topic) is on_classic
    assert not allowed("lite", resource, topic)


@given(st.text("ab/+#*", max_size=8))
def test_a_topic_without_wildcards_allows_itself_on_both(topic: str) -> None:
    plain = topic.replace("*", "").replace("+", "").replace("#", "")
    assert allowed("classic", plain, plain)
    assert allowed("lite", plain, plain)


@given(st.text("ab/+#", max_size=8), st.text("ab/+#", max_size=8))
def test_lite_allows_exactly_the_text_without_a_star(resource: str, topic: str) -> None:
    assert allowed("lite", resource, topic) is (resource == topic)


@given(st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=4), st.data())
def test_a_plus_allows_any_one_level_on_classic(levels: list[str], data: st.DataObject) -> None:
    names = st.text("abc", min_size=1, max_size=2)
    topic = [data.draw(names) if level == "+" else level for level in levels]
    assert allowed("classic", "/".join(levels), "/".join(topic))
    assert not allowed("classic", "/".join(levels), "/".join([*topic, "c"]))


@BOTH
def test_without_interpolation_a_thing_name_is_text(kind: Kind) -> None:
    resource = "deeplens/{iot:thingName}/infer"
    assert not allowed(kind, resource, "deeplens/cam/infer", interpolate=False)


def test_interpolation_is_a_setting_of_the_classic_nucleus_only() -> None:
    assert NUCLEI["classic"].interpolation_is_optional
    assert not NUCLEI["lite"].interpolation_is_optional


@BOTH
def test_another_operation_allows_nothing(kind: Kind) -> None:
    assert not allowed(kind, "*", "x", granted=SUBSCRIBE)
    assert allowed(kind, "*", "x", operation=SUBSCRIBE, granted=SUBSCRIBE)
    assert allowed(kind, "*", "x", granted="*")
