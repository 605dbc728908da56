"""A reference has the same text before and after a change, and differences have exact paths."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplens.assembly.intrinsics import Resolver, imports, parse_embedded_json, references
from deeplens.review.json_diff import differences, short

RESOLVER = Resolver(
    refer={"Key": "Store/Models/Key"}.get,
    exported={"x:key": "${Store/Models/Key.Arn}"}.get,
    pseudo={"AWS::Region": "eu-central-1"},
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"Ref": "Key"}, "${Store/Models/Key}"),
        ({"Fn::GetAtt": ["Key", "Arn"]}, "${Store/Models/Key.Arn}"),
        ({"Fn::GetAtt": "Key.Arn"}, "${Store/Models/Key.Arn}"),
        ({"Fn::ImportValue": "x:key"}, "${Store/Models/Key.Arn}"),
        ({"Fn::ImportValue": "other"}, "${import other}"),
        ({"Fn::Join": ["-", ["a", {"Ref": "AWS::Region"}]]}, "a-eu-central-1"),
        ({"Fn::Sub": "${AWS::Region}/${Key.Arn}"}, "eu-central-1/${Store/Models/Key.Arn}"),
        ({"Fn::Sub": "${!iot:Thing}"}, "${iot:Thing}"),
        ({"Fn::Sub": ["${one}", {"one": "1"}]}, "1"),
    ],
)
def test_the_text_of_an_intrinsic_function_names_its_target(value: Any, text: str) -> None:
    assert RESOLVER.resolve(value) == text


def test_references_and_imports_are_found_at_any_depth() -> None:
    value = {"a": [{"Ref": "One"}, {"Fn::Sub": ["${Two.Arn}", {"x": {"Ref": "Three"}}]}]}
    assert set(references(value)) == {"One", "Two", "Three"}
    assert list(imports({"a": [{"Fn::ImportValue": "x"}]})) == ["x"]


def test_json_in_a_string_is_parsed_and_a_reference_is_not() -> None:
    assert parse_embedded_json('{"a": "[1]"}') == {"a": [1]}
    assert parse_embedded_json("${Key.Arn}") == "${Key.Arn}"
    assert parse_embedded_json("{not json") == "{not json"


def test_a_digest_is_shortened() -> None:
    assert short("x/" + "a" * 64) == "x/aaaaaaaaaaaa…"


@given(value=values)
def test_a_value_does_not_differ_from_itself(value: Any) -> None:
    assert differences(value, value) == []


@given(before=values, after=values)
def test_different_values_differ(before: Any, after: Any) -> None:
    assert bool(differences(before, after)) == (repr(before) != repr(after)) or before == after
