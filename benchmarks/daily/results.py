"""Measured values with their goals, and the page that contains the values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_BEGIN = "<!-- measured: begin -->"
_END = "<!-- measured: end -->"
_SECTION = re.compile(r"^(?=### )", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """A table row; `met` is None if the row has no goal."""

    name: str
    measured: str
    goal: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """The Markdown for the last column: met, not met, or empty without a goal."""
        return {True: "met", False: "**not met**", None: ""}[self.met]


@dataclass(frozen=True)
class Section:
    """A section of the page: a title, an explanation, and a table."""

    title: str
    text: str
    rows: list[Row] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the section in Markdown."""
        lines = [
            f"### {self.title}",
            "",
            self.text,
            "",
            "| | measured | goal | |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {row.name} | {row.measured} | {row.goal} | {row.verdict} |" for row in self.rows
        ]
        return "\n".join(lines)


def bounded_row(name: str, value: float, limit: float, unit: str = "x") -> Row:
    """Return the row of a value whose maximum is `limit`."""
    return Row(name, f"{_number(value)} {unit}", f"≤ {limit:g} {unit}", value <= limit)


def row(name: str, value: float, unit: str) -> Row:
    """Return the row of a value without a goal."""
    return Row(name, f"{_number(value)} {unit}")


def update_page(page: str, sections: Sequence[Section], machine: str) -> str:
    """Return the page with a new description of the machine, and `sections` replaced or added.

    New sections are added at the end of the measured part; other sections do not change.

    Raises:
        ValueError: the page does not contain the markers of measured sections.
    """
    before, begin, rest = page.partition(_BEGIN)
    measured, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"the page has no lines {_BEGIN} and {_END}")
    texts = {text.partition("\n")[0]: text.strip() for text in _SECTION.split(measured)[1:]}
    for section in sections:
        texts[f"### {section.title}"] = section.markdown()
    return f"{before}{_BEGIN}\n\n" + "\n\n".join([machine, *texts.values()]) + f"\n\n{_END}{after}"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
