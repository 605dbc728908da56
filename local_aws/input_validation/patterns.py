"""Python equivalents of the Java patterns in AWS' service models.

Source: java.util.regex.Pattern. AWS applies a pattern to the complete value.
"""

import re
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import groupby

# Java's POSIX character classes, which contain only ASCII characters.
_ASCII_CLASSES = {
    "ASCII": r"\x00-\x7f",
    "Alnum": "a-zA-Z0-9",
    "Alpha": "a-zA-Z",
    "Blank": r" \t",
    "Cntrl": r"\x00-\x1f\x7f",
    "Digit": "0-9",
    "Graph": "!-~",
    "Lower": "a-z",
    "Print": " -~",
    "Punct": r"!-/:-@\[-`{-~",
    "Space": r" \t\n\x0b\f\r",
    "Upper": "A-Z",
    "XDigit": "0-9a-fA-F",
}
_TOKEN = re.compile(
    r"""\\p\{(?P<name>\w+)\}
    | (?P<pair>\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w)
    | (?P<end>\\z)
    | (?P<repeated_end>\$\{[1-9]\d*,\d*\})
    | (?P<class>\\[wWdDsS])(?P<range>-(?=[^\]]))?
    | (?P<escape>\\.)
    | (?P<bracket>[\[\]])
    | (?P<named_group>\(\?<(?=[A-Za-z]))
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@cache
def compiled(pattern: str) -> "re.Pattern[str]":
    """Compile a pattern of a service model.

    Raises:
        re.error: Python cannot compile the pattern. No model of the emulator's services contains
            such a pattern.
    """
    # In Java, \w, \d and \s match only ASCII characters.
    return re.compile("".join(_translated(pattern)), re.ASCII)


def matches(pattern: str, value: str) -> bool:
    """Return whether the complete value matches a pattern of a service model."""
    return compiled(pattern).fullmatch(value) is not None


def _translated(pattern: str) -> Iterator[str]:
    in_class = False
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if token["name"]:
            members = _members(token["name"])
            yield members if in_class else f"[{members}]"
        elif token["pair"]:
            high, low = int(text[2:6], 16), int(text[8:12], 16)
            yield f"\\U{0x10000 + ((high - 0xD800) << 10) + low - 0xDC00:08x}"
        elif token["end"]:
            yield r"\Z"
        elif token["repeated_end"] and not in_class:
            # Java accepts a repeated anchor, which has the effect of a single anchor.
            yield "$"
        elif token["class"]:
            # In `[\w-_]`, neither language reads the dash as a range. Java reads a literal; Python
            # reports an error.
            yield token["class"] + (r"\-" if token["range"] and in_class else token["range"] or "")
        elif token["named_group"]:
            yield "(?P<"
        elif token["bracket"]:
            if in_class and text == "[":
                yield r"\["
            else:
                in_class = text == "["
                yield text
        else:
            yield text


def _members(name: str) -> str:
    if name in _ASCII_CLASSES:
        return _ASCII_CLASSES[name]
    return "".join(
        f"{_escaped(first)}-{_escaped(last)}" for first, last in _category_ranges()[name]
    )


def _escaped(code: int) -> str:
    return f"\\U{code:08x}"


@cache
def _category_ranges() -> dict[str, list[tuple[int, int]]]:
    """Return the ranges of code points by general category and by major category of Unicode."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    first = 0
    # Consecutive code points of one category form a group, which reduces the work by a factor of
    # 300.
    categories = map(unicodedata.category, map(chr, range(sys.maxunicode + 1)))
    for category, run in groupby(categories):
        after = first + sum(1 for _ in run)
        for name in (category, category[0]):
            listed = ranges.setdefault(name, [])
            if listed and listed[-1][1] == first - 1:
                listed[-1] = (listed[-1][0], after - 1)
            else:
                listed.append((first, after - 1))
        first = after
    return ranges
