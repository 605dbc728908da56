"""What was measured, beside its goal; and the page that has it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_BEGIN = "<!-- measured: begin -->"
_END = "<!-- measured: end -->"
_SECTION = re.compile(r"^(?=### )", re.MULTILINE)


@dataclass(frozen=True)
class Figure:
    """One line: `measured` beside its goal; `reached` is None for what has none."""

    what: str
    measured: str
    goal: str = ""
    reached: bool | None = None

    @property
    def verdict(self) -> str:
        """Say whether the goal is met."""
        return {True: "met", False: "**not met**", None: ""}[self.reached]


@dataclass(frozen=True)
class Part:
    """One part of the daily loop: medians, and what they mean."""

    title: str
    about: str
    figures: list[Figure] = field(default_factory=list)

    def markdown(self) -> str:
        """Return the part as a section with a table."""
        lines = [
            f"### {self.title}",
            "",
            self.about,
            "",
            "| | measured | goal | |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {figure.what} | {figure.measured} | {figure.goal} | {figure.verdict} |"
            for figure in self.figures
        ]
        return "\n".join(lines)


def at_most(what: str, value: float, limit: float, unit: str = "x") -> Figure:
    """Return the figure of a value that is to be at most `limit`."""
    return Figure(what, f"{_number(value)} {unit}", f"≤ {limit:g} {unit}", value <= limit)


def plain(what: str, value: float, unit: str) -> Figure:
    """Return a figure without a goal."""
    return Figure(what, f"{_number(value)} {unit}")


def in_page(page: str, parts: Sequence[Part], machine: str) -> str:
    """Return the page with the sections of `parts` replaced; those of other parts stay.

    Raises:
        ValueError: the page has no place for them.
    """
    before, found, rest = page.partition(_BEGIN)
    old, ended, after = rest.partition(_END)
    if not found or not ended:
        raise ValueError(f"the page has no lines {_BEGIN} and {_END}")
    sections = {section.partition("\n")[0]: section.strip() for section in _SECTION.split(old)[1:]}
    for part in parts:
        sections[f"### {part.title}"] = part.markdown()
    text = "\n\n".join([machine, *sections.values()])
    return f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
