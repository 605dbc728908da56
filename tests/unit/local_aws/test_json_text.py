"""Deeply nested JSON is rejected before Python's parser recurses."""

import pytest

from local_aws.errors import ServiceError, ValidationError
from local_aws.json_text import DEEPEST, depth, parse
from local_aws.service_protocol import Request, ServiceProtocol
from local_aws.services.greengrass.recipes import read_recipe


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"[" * 300, 300),
        (b'{"a":' * 300 + b"1" + b"}" * 300, 300),
        (b"[]" * 300, 1),
        (b'["' + b"[" * 300 + b'"]', 1),
        (b'["\\"' + b"[" * 300 + b'"]', 1),
        (b'"' + b"[" * 300, 0),
        (b"[" * DEEPEST, 0),
    ],
)
def test_depth_counts_what_is_not_in_a_string(text: bytes, expected: int) -> None:
    assert depth(text) == expected


def test_a_text_of_the_greatest_depth_is_parsed_and_a_deeper_one_is_not() -> None:
    parse("[" * DEEPEST + "]" * DEEPEST)
    for text in ("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), b"[" * 100_000):
        with pytest.raises(ValueError, match="200 levels"):
            parse(text)


def test_a_request_that_is_nested_too_deeply_is_a_serialization_exception() -> None:
    request = Request("POST", "/greengrass/v2/createComponentVersion", {}, b'{"a":' * 100_000)
    with pytest.raises(ServiceError, match="200 levels") as caught:
        ServiceProtocol("greengrassv2").read(request)
    assert caught.value.code == "SerializationException"


@pytest.mark.parametrize(
    "recipe",
    [
        b"[" * 16_000,
        b"{" * 900 + b"}" * 900,
        b"a: &a [*a]",
        b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + b"".join(
            b"%c: &%c [%s]\n" % (new, new, b",".join([b"*%c" % old] * 10))
            for old, new in zip(b"abcdefgh", b"bcdefghi", strict=True)
        ),
    ],
)
def test_a_recipe_that_expands_is_rejected(recipe: bytes) -> None:
    with pytest.raises(ValidationError, match=r"neither JSON nor YAML|too many values"):
        read_recipe(recipe)
