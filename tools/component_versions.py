"""Component versions in templates, without the numbers that follow from the content."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_LAST_TWO_NUMBERS = re.compile(r"\.\d+\.\d+$")


def without_content_numbers(text: str, template: Mapping[str, Any]) -> str:
    """Replace these numbers in `text` by `.CONTENT`.

    The components of `template` define the numbers: a version such as 2.16.1 of AWS' own
    components remains.
    """
    numbers = sorted(set(_numbers(template)))
    if not numbers:
        return text
    pattern = re.compile(rf"(?:{'|'.join(map(re.escape, numbers))})(?!\d)")
    return pattern.sub(".CONTENT", text)


def _numbers(template: Mapping[str, Any]) -> Iterator[str]:
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == "Custom::GreengrassComponent":
            last_two = _LAST_TWO_NUMBERS.search(_end(resource["Properties"].get("Arn")))
            if last_two:
                yield last_two[0]


def _end(value: Any) -> str:
    """Return the literal end of a text, or of an intrinsic function that builds a text."""
    match value:
        case str():
            return value
        case {"Fn::Sub": str(text)}:
            return text
        case {"Fn::Join": [_, [*_, str(last)]]}:
            return last
    return ""
