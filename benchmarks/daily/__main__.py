"""`make benchmark-daily`: measure, print, and rewrite docs/performance.md."""

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from benchmarks.daily.deploys import deploys
from benchmarks.daily.figures import Part, in_page
from benchmarks.daily.large import large_artifact
from benchmarks.daily.large_deploys import large_deploys
from benchmarks.daily.levers import each_lever
from benchmarks.daily.phases import phases
from benchmarks.daily.synthesis import daily_synthesis, many_environments
from benchmarks.daily.timing import ROOT, BenchmarkError

PAGE = ROOT / "docs" / "performance.md"

Measure = Callable[[Path, int, Callable[[str], None]], Part]
PARTS: dict[str, Measure] = {
    "synthesis": daily_synthesis,
    "levers": each_lever,
    "many": many_environments,
    "large": large_artifact,
    "large-deploys": large_deploys,
    "deploys": deploys,
    "phases": phases,
}


@click.command()
@click.option("--part", "names", multiple=True, type=click.Choice(list(PARTS)), help="Only these.")
@click.option("--rounds", type=click.IntRange(1, 50), default=5, show_default=True)
@click.option(
    "--write", is_flag=True, help="Rewrite the tables of these parts in docs/performance.md."
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def main(names: tuple[str, ...], rounds: int, *, write: bool, as_json: bool) -> None:
    """Measure the daily loop; nothing else should run meanwhile.

    Exit code 0 whether or not goals are met, 1 when a command that is measured fails, 2 for a
    wrong option.
    """
    console = Console(stderr=True)
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    # What is measured may print; standard output is for the figures alone.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    parts = []
    for name in names or PARTS:
        with tempfile.TemporaryDirectory(prefix="daily-", dir=_scratch()) as folder:
            try:
                part = PARTS[name](
                    Path(folder),
                    rounds,
                    lambda what, name=name: console.print(f"{name}: {what}"),  # type: ignore[misc]
                )
            except BenchmarkError as error:
                console.print(f"{name}: {error}", markup=False)
                sys.exit(1)
        parts.append(part)
        _show(console, part)
        if write:
            page = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(in_page(page, [part], _machine()), encoding="utf-8")
    if as_json:
        json.dump([asdict(part) for part in parts], answer, indent=2)
    answer.close()


def _scratch() -> Path:
    """On the checkout's file system, where artifacts can be linked."""
    folder = ROOT / ".local" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _machine() -> str:
    processors = Path("/proc/cpuinfo").read_text("utf-8").count("processor\t")
    return f"Measured on {platform.machine()}, {processors} processors, otherwise idle."


def _show(console: Console, part: Part) -> None:
    table = Table("", "measured", "goal", "", title=part.title)
    for figure in part.figures:
        table.add_row(figure.what, figure.measured, figure.goal, figure.verdict.strip("*"))
    console.print(table)


if __name__ == "__main__":
    main()
