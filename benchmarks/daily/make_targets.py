"""Measurements of the daily make targets, cold and warm."""

import subprocess
from pathlib import Path

from benchmarks.daily.results import Section, bounded_row, row
from benchmarks.daily.timing import ROOT, Command, Log, Run

_CHECK_SECONDS, _TEST_SECONDS = 60.0, 600.0


def make_targets(folder: Path, _rounds: int, log: Log) -> Section:
    """Measure the make targets in a new clone; run `demo` and `check` a second time, when warm."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)

    def make(target: str) -> Run:
        log(f"make {target}")
        return Command(["make", target], {}, clone)()

    setup, demo, demo_again = make("setup"), make("demo"), make("demo")
    check, check_again = make("check"), make("check")
    test = make("test")
    return Section(
        "The commands of every day",
        "In a fresh clone, in this order, once each. *Cold* includes installation and training.",
        [
            row("`make setup`, cold", setup.seconds, "s"),
            row("`make demo`, cold (after setup)", demo.seconds, "s"),
            row("`make demo`, warm", demo_again.seconds, "s"),
            row("`make check`, cold", check.seconds, "s"),
            bounded_row("`make check`, warm", check_again.seconds, _CHECK_SECONDS, "s"),
            bounded_row("`make test`", test.seconds, _TEST_SECONDS, "s"),
        ],
    )
