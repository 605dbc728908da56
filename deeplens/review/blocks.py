"""Blocks of a page, independent of its format.

HTML, Markdown and terminal text are created from the same blocks, so their content is the same.
"""

import re
from dataclasses import dataclass
from typing import Literal

Tone = Literal["state", "wider", "narrower", "added", "changed", "replaced", "removed", "plain"]


@dataclass(frozen=True)
class Heading:
    """A heading of the page (level 1), of a section (2) or of a subsection (3)."""

    level: Literal[1, 2, 3]
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Alarm:
    """A sentence that requires attention: an alarm, or a note if `loud` is false."""

    text: str
    loud: bool = True


@dataclass(frozen=True)
class Point:
    """One item of a list: a label, its style (`tone`), and a sentence."""

    tone: Tone
    label: str
    text: str


@dataclass(frozen=True)
class Points:
    """A list of points."""

    points: tuple[Point, ...]


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first column contains the name of the row.

    Attributes:
        numbers: true if the other columns contain numbers.
        sections: true if the first cell of each row is the name of a section, and links to that
            section.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: bool = False
    sections: bool = False


@dataclass(frozen=True)
class Folded:
    """Details that a reader can open; a terminal prints only details that are open initially."""

    title: str
    blocks: tuple["Block", ...]
    open: bool = False


Block = Heading | Text | Alarm | Points | Table | Folded


@dataclass(frozen=True)
class Page:
    """A page: its title and its blocks."""

    title: str
    blocks: tuple[Block, ...]


def anchor(heading: str) -> str:
    """Return the id of a heading; for an environment's name, GitHub derives the same id."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
