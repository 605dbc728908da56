"""Measurements of a synthesis, of the peer's synthesis, and of each optimization alone."""

import statistics
from dataclasses import replace
from pathlib import Path

from benchmarks.daily.apps import Apps, copies_of_dev
from benchmarks.daily.results import Row, Section, bounded_row, row
from benchmarks.daily.timing import (
    ROOT,
    Command,
    Log,
    interleaved,
    median_peak_mib,
    median_seconds,
    ratio,
)

_COUNTS = (1, 3, 10, 30, 100)
_PIPELINE = ROOT / "deeplens" / "local" / "delivery.toml"
_COLD_LIMIT, _PEER_LIMIT, _UNCHANGED_LIMIT = 0.50, 0.85, 0.03

_NAMES = {
    "default": "default",
    "plain": "plain",
    "cold": "`app.py`, all environments",
    "one": "`app.py -c environment=dev`",
    "default, delivered": "default, with the delivery pipeline",
    "cold, delivered": "`app.py`, all environments and the delivery pipeline",
    "unchanged": "`app.py`, unchanged",
    "peer": "the peer's stack, by this project",
    "javascript": "the peer's stack, in JavaScript with CDK's defaults",
    "javascript plain": "the peer's stack, in JavaScript without validation",
}


def daily_synthesis(folder: Path, rounds: int, log: Log) -> Section:
    """Measure syntheses: all environments, one environment, no changes, and the peer's stack.

    The same rounds measure all variants.
    """
    apps = Apps(ROOT / "environments", folder)
    delivered = replace(apps, outputs=folder / "delivered", delivery=_PIPELINE)
    runs = interleaved(
        {
            "default": apps.default(),
            "plain": apps.without_validation(),
            "cold": apps.cold(),
            "one": apps.cold(environment="dev"),
            "default, delivered": delivered.default(),
            "cold, delivered": delivered.cold(),
            # This run stores the assembly that the next run restores.
            "stored": apps.cached("stored"),
            "unchanged": apps.cached("unchanged"),
            "peer": apps.peer(),
            "javascript": apps.javascript(validated=True),
            "javascript plain": apps.javascript(validated=False),
        },
        rounds,
        log,
    )
    return Section(
        "Synthesis of dev, staging and production",
        "Ratios are medians of the ratios within a round; every form runs in every round, on the "
        "same Node. *Default* is this application without any optimization: everything built, and "
        "validated by cdk-nag and by CDK. *Plain* is default without validation. The peer is the "
        "Monitoring stack of the three environments ([peers](../benchmarks/peers/README.md)).",
        [
            *(row(_NAMES[name], median_seconds(runs[name]), "s") for name in _NAMES),
            bounded_row(
                "all environments to default", ratio(runs["cold"], runs["default"]), _COLD_LIMIT
            ),
            bounded_row(
                "all environments and the pipeline to default",
                ratio(runs["cold, delivered"], runs["default, delivered"]),
                _COLD_LIMIT,
            ),
            row("one environment to default", ratio(runs["one"], runs["default"]), "x"),
            bounded_row(
                "unchanged to plain", ratio(runs["unchanged"], runs["plain"]), _UNCHANGED_LIMIT
            ),
            bounded_row(
                "the peer's stack to JavaScript with CDK's defaults",
                ratio(runs["peer"], runs["javascript"]),
                _PEER_LIMIT,
            ),
            row(
                "the peer's stack to JavaScript without validation",
                ratio(runs["peer"], runs["javascript plain"]),
                "x",
            ),
            bounded_row(
                "peak memory to default's",
                median_peak_mib(runs["cold"]) / median_peak_mib(runs["default"]),
                0.5,
            ),
            row("peak memory", median_peak_mib(runs["cold"]), "MiB"),
        ],
    )


def each_optimization(folder: Path, rounds: int, log: Log) -> Section:
    """Measure each optimization alone, relative to the default application without validation."""
    apps = Apps(ROOT / "environments", folder)
    plain = apps.without_validation()
    bytecode = {"PYTHONPYCACHEPREFIX": str(folder / "no-bytecode"), "PYTHONDONTWRITEBYTECODE": "1"}
    variants: dict[str, Command] = {
        "with validation and cdk-nag": apps.default(),
        "`app.py`: no garbage collection, no stack traces": apps.cold(),
        "`app.py`, one environment": apps.cold(environment="dev"),
        "without compiled bytecode": _with_variables(plain, bytecode),
        "without jsii's package cache": _with_variables(
            plain, {"JSII_RUNTIME_PACKAGE_CACHE": "disabled"}
        ),
        "Node's compile cache": _with_variables(
            plain, {"NODE_COMPILE_CACHE": str(folder / "node-cache")}
        ),
    }
    runs = interleaved({"plain": plain, **variants}, rounds, log)
    return Section(
        "Each optimization alone",
        "Ratios to *plain*: everything built, nothing validated, no optimization.",
        [row(name, ratio(runs[name], runs["plain"]), "x") for name in variants],
    )


def many_environments(folder: Path, rounds: int, log: Log) -> Section:
    """Measure the synthesis of 1 to 100 environments, and the time per additional environment."""
    rows: list[Row] = []
    medians: list[float] = []
    for count in _COUNTS:
        apps = Apps(copies_of_dev(folder / f"{count}-environments", count), folder / f"{count}-out")
        runs = interleaved(
            {"app.py": apps.cold()},
            rounds,
            lambda text, count=count: log(f"{count} environments: {text}"),  # type: ignore[misc]
        )["app.py"]
        medians.append(median_seconds(runs))
        name = f"{count} environment{'s' if count > 1 else ''}"
        rows.append(Row(name, f"{medians[-1]:.2f} s, {median_peak_mib(runs):.0f} MiB"))
    slope = statistics.linear_regression(_COUNTS, medians).slope
    return Section(
        "From 1 to 100 environments",
        "`app.py` with an empty cache. Each environment is a copy of dev with a different name; "
        "nothing is validated.",
        [*rows, row("each additional environment", slope, "s")],
    )


def _with_variables(command: Command, variables: dict[str, str]) -> Command:
    return replace(command, variables={**command.variables, **variables})
