"""Untrusted JSON is parsed as RFC 8259 defines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifact.strict_json import parse_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(VALUES, st.booleans())
def test_a_document_is_what_pythons_own_parser_reads(value: object, ascii_only: bool) -> None:  # noqa: FBT001 - hypothesis passes the value
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text) == parse_json(text.encode()) == json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1, "a": 2}', "duplicate key 'a'"),
        ('[{"b": {"a": 1, "a": 1}}]', "duplicate key 'a'"),
        ("NaN", "NaN is not a JSON number"),
        ("[-Infinity]", "-Infinity is not a JSON number"),
        ("[1e999]", "the number 1e999 is too large for a double"),
        ("1" * 5000, "above 64 bits"),
        (str(2**63), "above 64 bits"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ('"\\ud800"', "a lone surrogate"),
        ('{"\\uDC00": 1}', "a lone surrogate"),
        (b'"\xff"', "not UTF-8"),
        ("", "Expecting value"),
    ],
)
def test_other_text_is_one_error(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_json(text)


@given(st.text(max_size=60) | st.text('{}[]:,"\\u0d8NaInfity1e+-. ', max_size=60))
def test_any_text_is_a_document_or_a_value_error(text: str) -> None:
    try:
        document = parse_json(text)
    except ValueError:
        return
    assert json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
