"""Untrusted text cannot control a terminal, a log or the reading order."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplens.config.toml_files import one_line
from shared.printable import printable
from shared.printable import printable as in_the_cloud

# Categories: line and paragraph separators, control and format characters, surrogates, private and
# unassigned characters.
_HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"


def is_harmful(character: str) -> bool:
    return unicodedata.category(character) in _HARMFUL and character not in _JOINERS


def test_every_harmful_character_is_escaped_and_every_other_one_stays() -> None:
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        shown = printable(character)
        if is_harmful(character):
            assert shown == character.encode("unicode_escape").decode()
            assert one_line(character) == in_the_cloud(character) == shown
        elif unicodedata.category(character) != "Zs":
            assert shown == character


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("a\u202eb", r"a\u202eb"),
        ("a\nb\u2028c", r"a\nb\u2028c"),
        ("\ud800", r"\ud800"),
        ("\u200b\ufeff", r"\u200b\ufeff"),
        ("zażółć 寿司 👩\u200d🌾 क्\u200dष", "zażółć 寿司 👩\u200d🌾 क्\u200dष"),
    ],
)
def test_examples(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(max_size=300), st.integers(1, 100), st.booleans())
def test_the_result_is_bounded_and_can_be_printed(text: str, longest: int, lines: bool) -> None:  # noqa: FBT001 - hypothesis passes the value
    shown = printable(text, longest=longest, lines=lines)
    assert len(shown) <= 10 * longest + 1
    assert not any(is_harmful(one) for one in shown if not (lines and one in "\n\t"))
    shown.encode()
    if lines:
        assert text[:longest].count("\n") == shown.count("\n")
