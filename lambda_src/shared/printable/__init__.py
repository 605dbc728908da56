r"""Escape text from files, devices and servers for terminals, logs and messages.

Control characters move a terminal's cursor or begin new lines in a log. Format characters change
the order or the visibility of text. Both are shown as Python writes them: `\x1b`, `\u202e`.
"""

LONGEST_LINE = 2000
# Persian, Hindi and many emoji are written with the zero-width non-joiner and joiner.
_JOINERS = frozenset("\u200c\u200d")


def printable(text: str, *, longest: int = LONGEST_LINE, lines: bool = False) -> str:
    """Return text that can be printed as it is, cut if it is longer than `longest`.

    Args:
        text: from anywhere.
        longest: characters, before they are escaped.
        lines: keep line ends and tabs, for a text of several lines.
    """
    kept = _JOINERS | frozenset("\n\t") if lines else _JOINERS
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(
        one if one.isprintable() or one in kept else one.encode("unicode_escape").decode()
        for one in cut
    )
