r"""Escape text from files, devices and servers for terminals, logs and messages.

Control characters move a terminal's cursor or begin new lines in a log. Format characters change
the order or the visibility of text. Both are replaced by Python's escapes: `\x1b`, `\u202e`.
"""

LONGEST_LINE = 2000
# The zero-width non-joiner and joiner, which Persian, Hindi and many emoji require.
_JOINERS = frozenset("\u200c\u200d")


def printable(text: str, *, longest: int = LONGEST_LINE, lines: bool = False) -> str:
    """Return text that is safe to print, truncated to `longest` characters and an ellipsis.

    Args:
        text: untrusted text.
        longest: maximum number of characters before escaping, without the ellipsis.
        lines: preserve line feeds and tabs, for text of several lines.
    """
    unescaped = _JOINERS | frozenset("\n\t") if lines else _JOINERS
    shortened = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(
        character
        if character.isprintable() or character in unescaped
        else character.encode("unicode_escape").decode()
        for character in shortened
    )
