"""Whether an endpoint answers as the model did elsewhere."""

import math
from typing import Any

from model_tools.errors import VerifyError


def largest_difference(expected: Any, found: Any, where: str = "answer") -> float:
    """Return the largest difference of two numbers in the same place of two JSON documents.

    Raises:
        VerifyError: anything but numbers differs; the text says where.
    """
    numbers = [_is_number(one) for one in (expected, found)]
    if all(numbers):
        if math.isnan(expected) or math.isnan(found):
            return 0.0 if math.isnan(expected) and math.isnan(found) else math.inf
        return 0.0 if expected == found else abs(expected - found)
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = [(f"{where}[{number}]", one, found[number]) for number, one in enumerate(expected)]
    elif isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        pairs = [(f"{where}.{key}", expected[key], found[key]) for key in expected]
    elif type(expected) is type(found) and expected == found:
        return 0.0
    else:
        raise VerifyError(f"{where} is {_shown(found)}, and should be {_shown(expected)}")
    return max((largest_difference(one, other, place) for place, one, other in pairs), default=0.0)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    shown = repr(value)
    longest = 80
    return shown if len(shown) <= longest else f"{shown[:longest]}…"
