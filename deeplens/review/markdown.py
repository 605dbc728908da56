"""Format a page as GitHub Flavored Markdown."""

import re
from collections.abc import Iterator

from deeplens.review.blocks import (
    Alarm,
    Block,
    Folded,
    Heading,
    Page,
    Points,
    Table,
    Text,
    anchor,
)

# Characters with a meaning in Markdown; dots and hyphens within a line have none.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def as_markdown(page: Page) -> str:
    """Return the page as Markdown."""
    return "\n\n".join(text for block in page.blocks for text in _block(block)) + "\n"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Heading(level, text):
            yield f"{'#' * level} {_escaped(text)}"
        case Text(text):
            yield _escaped(text)
        case Alarm(text, loud):
            yield f"> [!{'CAUTION' if loud else 'NOTE'}]\n> **{_escaped(text)}**"
        case Points(points):
            yield "\n".join(f"- **{point.label}**: {_escaped(point.text)}" for point in points)
        case Table():
            yield _table(block)
        case Folded(title, blocks, is_open):
            inner = "\n\n".join(text for nested in blocks for text in _block(nested))
            tag = "<details open>" if is_open else "<details>"
            yield f"{tag}<summary>{_html(title)}</summary>\n\n{inner}\n\n</details>"


def _table(table: Table) -> str:
    rule = ("---", *("---:" if table.numbers else "---" for _ in table.head[1:]))
    cells = [[_escaped(cell) or " " for cell in row] for row in (table.head, *table.rows)]
    if table.sections:
        for row, (name, *_) in zip(cells[1:], table.rows, strict=True):
            row[0] = f"[{row[0]}](#{anchor(name)})"
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join(
        [f"**{_escaped(table.caption)}**", "", lines[0], f"| {' | '.join(rule)} |", *lines[1:]]
    )


def _escaped(text: str) -> str:
    return " ".join(_SPECIAL.sub(r"\\\1", text).split())


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
