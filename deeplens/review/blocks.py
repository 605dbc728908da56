"""The blocks of a page, before it is HTML, Markdown or terminal text.

A page is said once, in these blocks, so the three forms cannot say different things.
"""

import re
from dataclasses import dataclass
from typing import Literal

Tone = Literal["state", "wider", "narrower", "added", "changed", "replaced", "removed", "plain"]


@dataclass(frozen=True)
class Heading:
    """A heading; level 1 is the page's own, 2 a section, 3 a part of it."""

    level: Literal[1, 2, 3]
    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Alarm:
    """What must not be overlooked; less loud, what a reader should know first."""

    text: str
    loud: bool = True


@dataclass(frozen=True)
class Point:
    """One item of a list: a word that says of which kind it is, and a sentence."""

    tone: Tone
    word: str
    text: str


@dataclass(frozen=True)
class Points:
    """A list."""

    points: tuple[Point, ...]


@dataclass(frozen=True)
class Table:
    """A table with a caption; the first column names the row.

    Attributes:
        numbers: whether the other columns are numbers.
        sections: whether each row is named after a section of the page, and links to it.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: bool = False
    sections: bool = False


@dataclass(frozen=True)
class Folded:
    """Detail that a reader opens; a terminal prints it only if it is open at first."""

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
    """Return the id of a heading, as GitHub makes it of a heading in letters and digits."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
