"""Measure the daily loop, print the results, and rewrite docs/performance.md with `--write`.

`make benchmark-daily` runs this module with `--write`.
"""

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
from benchmarks.daily.large_artifact import deploy_large_artifact, synthesize_large_artifact
from benchmarks.daily.make_targets import make_targets
from benchmarks.daily.results import Section, update_page
from benchmarks.daily.synthesis import daily_synthesis, each_optimization, many_environments
from benchmarks.daily.timing import ROOT, BenchmarkError, Log

PAGE = ROOT / "docs" / "performance.md"

Measure = Callable[[Path, int, Log], Section]
PARTS: dict[str, Measure] = {
    "synthesis": daily_synthesis,
    "optimizations": each_optimization,
    "many": many_environments,
    "large": synthesize_large_artifact,
    "large-deploys": deploy_large_artifact,
    "deploys": deploys,
    "make": make_targets,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--part", "names", multiple=True, type=click.Choice(list(PARTS)), help="Only these.")
@click.option("--rounds", type=click.IntRange(1, 50), default=5, show_default=True)
@click.option(
    "--write", is_flag=True, help="Rewrite the tables of these parts in docs/performance.md."
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
def main(names: tuple[str, ...], rounds: int, *, write: bool, as_json: bool) -> None:
    """Measure the daily loop on an otherwise idle machine.

    Exit codes: 0 if all measurements ran, even if a goal is missed; 1 if a measured command failed;
    2 for wrong usage.
    """
    console = Console(stderr=True)
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    # Measured code may print, and standard output must contain only the results.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sections = []
    for name in names or PARTS:
        with tempfile.TemporaryDirectory(prefix="daily-", dir=_scratch_folder()) as folder:
            try:
                section = PARTS[name](
                    Path(folder),
                    rounds,
                    lambda text, name=name: console.print(f"{name}: {text}"),  # type: ignore[misc]
                )
            except BenchmarkError as error:
                console.print(f"{name}: {error}", markup=False)
                sys.exit(1)
        sections.append(section)
        _print(console, section)
        if write:
            page = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(update_page(page, [section], _machine()), encoding="utf-8")
    if as_json:
        json.dump([asdict(section) for section in sections], results, indent=2)
    results.close()


def _scratch_folder() -> Path:
    """Return a folder on the checkout's file system, because hard links to artifacts require it."""
    folder = ROOT / ".local" / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _machine() -> str:
    processors = Path("/proc/cpuinfo").read_text("utf-8").count("processor\t")
    return f"Measured on {platform.machine()}, {processors} processors, otherwise idle."


def _print(console: Console, section: Section) -> None:
    table = Table("", "measured", "goal", "", title=section.title)
    for row in section.rows:
        table.add_row(row.name, row.measured, row.goal, row.verdict.strip("*"))
    console.print(table)


if __name__ == "__main__":
    main()
