"""Part (g): the commands of every day, cold and warm."""

import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks.daily.figures import Part, at_most, plain
from benchmarks.daily.timing import ROOT, Command, Run

_CHECK_SECONDS, _TEST_SECONDS = 60.0, 600.0


def phases(folder: Path, _rounds: int, told: Callable[[str], None]) -> Part:
    """Clone the checkout, and run each command there: once cold, the quick ones once more."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)

    def make(target: str) -> Run:
        told(f"make {target}")
        return Command(["make", target], {}, clone)()

    setup, demo, demo_again = make("setup"), make("demo"), make("demo")
    check, check_again = make("check"), make("check")
    test = make("test")
    return Part(
        "The commands of every day",
        "In a fresh clone, in this order, once each; *cold* is with what it installs and trains.",
        [
            plain("`make setup`, cold", setup.seconds, "s"),
            plain("`make demo`, cold (after setup)", demo.seconds, "s"),
            plain("`make demo`, warm", demo_again.seconds, "s"),
            plain("`make check`, cold", check.seconds, "s"),
            at_most("`make check`, warm", check_again.seconds, _CHECK_SECONDS, "s"),
            at_most("`make test`", test.seconds, _TEST_SECONDS, "s"),
        ],
    )
