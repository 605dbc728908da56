"""Differences between the numbers of two JSON documents."""

import math
from typing import Any

from model_tools.errors import VerifyError

_LONGEST_SHOWN = 80


def largest_difference(expected: Any, actual: Any, path: str = "answer") -> float:
    """Return the largest difference of two numbers at the same path of two JSON documents.

    If only one of the two numbers is NaN, the difference is infinite.

    Raises:
        VerifyError: other values differ; the message contains their path.
    """
    if _is_number(expected) and _is_number(actual):
        if math.isnan(expected) or math.isnan(actual):
            return 0.0 if math.isnan(expected) and math.isnan(actual) else math.inf
        return 0.0 if expected == actual else abs(expected - actual)
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = [(f"{path}[{index}]", item, actual[index]) for index, item in enumerate(expected)]
    elif (
        isinstance(expected, dict) and isinstance(actual, dict) and expected.keys() == actual.keys()
    ):
        pairs = [(f"{path}.{key}", expected[key], actual[key]) for key in expected]
    elif type(expected) is type(actual) and expected == actual:
        return 0.0
    else:
        raise VerifyError(f"{path} is {_shown(actual)}: expected {_shown(expected)}")
    return max(
        (largest_difference(first, second, child) for child, first, second in pairs), default=0.0
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}…"
