"""What makes a synthesis faster or slower, each by itself against the plain application."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.daily.apps import Apps
from benchmarks.daily.figures import Part, plain
from benchmarks.daily.timing import ROOT, Command, interleaved, ratio


def each_lever(folder: Path, rounds: int, told: Callable[[str], None]) -> Part:
    """Measure the plain application with one thing changed at a time."""
    apps = Apps(ROOT / "environments", folder)
    base = apps.without_validation()
    bytecode = {"PYTHONPYCACHEPREFIX": str(folder / "no-bytecode"), "PYTHONDONTWRITEBYTECODE": "1"}
    variants: dict[str, Command] = {
        "with validation and cdk-nag": apps.default(),
        "no collection of garbage, fast exit, one processor (`app.py`)": apps.ours(),
        "Python and Node on one processor": replace(
            base, words=[sys.executable, "-m", "benchmarks.daily.one_processor", *base.words[1:]]
        ),
        "`app.py`, one environment": apps.ours(environment="dev"),
        "without compiled bytecode": _with(base, bytecode),
        "without jsii's cache of packages": _with(base, {"JSII_RUNTIME_PACKAGE_CACHE": "disabled"}),
        "Node's compile cache": _with(base, {"NODE_COMPILE_CACHE": str(folder / "node-cache")}),
        "`python -O`": replace(base, words=[sys.executable, "-O", *base.words[1:]]),
    }
    runs = interleaved({"plain": base, **variants}, rounds, told)
    return Part(
        "Each lever alone",
        "Ratios to *plain*: everything built, nothing validated, nothing else done.",
        [plain(name, ratio(runs[name], runs["plain"]), "x") for name in variants],
    )


def _with(command: Command, variables: dict[str, str]) -> Command:
    return replace(command, variables={**command.variables, **variables})
