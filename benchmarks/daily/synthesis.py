"""Parts (a) to (c): synthesis of three environments, of one, of many; and of the peers."""

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.daily.apps import Apps, copies_of_dev
from benchmarks.daily.figures import Figure, Part, at_most, plain
from benchmarks.daily.timing import ROOT, Run, interleaved, peak_mib, ratio, seconds

_COUNTS = (1, 3, 10, 30, 100)
_PIPELINE = ROOT / "deeplens/local/delivery.toml"


def daily_synthesis(folder: Path, rounds: int, told: Callable[[str], None]) -> Part:
    """Measure the committed environments: all, one, unchanged; the peers in the same rounds."""
    apps = Apps(ROOT / "environments", folder)
    delivered = replace(apps, outputs=folder / "delivered", delivery=_PIPELINE)
    runs = interleaved(
        {
            "default": apps.default(),
            "plain": apps.without_validation(),
            "ours": apps.ours(),
            "one": apps.ours(environment="dev"),
            "default, delivered": delivered.default(),
            "ours, delivered": delivered.ours(),
            # Comes after a run of all of them is kept.
            "kept": apps.kept(),
            "unchanged": apps.unchanged(),
            "javascript": apps.javascript(validated=True),
            "javascript plain": apps.javascript(validated=False),
            "troposphere": apps.troposphere(),
        },
        rounds,
        told,
    )
    return Part(
        "Synthesis of dev, staging and production",
        "Ratios are medians of the ratios within a round; every form runs in every round, on the "
        "same Node. *Default* is the same Python app without any lever: everything built, and "
        "validated by cdk-nag and by CDK. *Plain* is default without validation. The peers in "
        "JavaScript and troposphere make equal templates ([peers](../benchmarks/peers/README.md)); "
        "they have no delivery pipeline.",
        [
            *(plain(_NAMES[name], seconds(runs[name]), "s") for name in _NAMES),
            at_most("all environments to default", ratio(runs["ours"], runs["default"]), 0.40),
            at_most(
                "all environments and the pipeline to default",
                ratio(runs["ours, delivered"], runs["default, delivered"]),
                0.40,
            ),
            at_most("one environment to default", ratio(runs["one"], runs["default"]), 0.30),
            at_most("unchanged to plain", ratio(runs["unchanged"], runs["plain"]), 0.03),
            at_most(
                "all environments to the JavaScript peer as CDK runs it by default",
                ratio(runs["ours"], runs["javascript"]),
                2.4,
            ),
            at_most(
                "all environments to the JavaScript peer without validation",
                ratio(runs["ours"], runs["javascript plain"]),
                2.4,
            ),
            _times("all environments to troposphere", runs["ours"], runs["troposphere"]),
            at_most(
                "peak memory to default's",
                peak_mib(runs["ours"]) / peak_mib(runs["default"]),
                0.5,
            ),
            plain("peak memory", peak_mib(runs["ours"]), "MiB"),
            at_most(
                "an unchanged synthesis, as a test process needs it, to default",
                ratio(runs["unchanged"], runs["default"]),
                0.25,
            ),
        ],
    )


_NAMES = {
    "default": "default",
    "plain": "plain",
    "ours": "`app.py`, all environments",
    "one": "`app.py -c environment=dev`",
    "default, delivered": "default, and the delivery pipeline",
    "ours, delivered": "`app.py`, all environments and the delivery pipeline",
    "unchanged": "`app.py`, unchanged",
    "javascript": "JavaScript peer, default",
    "javascript plain": "JavaScript peer, without validation",
    "troposphere": "troposphere peer",
}


def many_environments(folder: Path, rounds: int, told: Callable[[str], None]) -> Part:
    """Measure 1 to 100 environments, and the slope of time over their number."""
    figures: list[Figure] = []
    medians: dict[str, list[float]] = {"ours": [], "javascript": [], "troposphere": []}
    memory = 0.0
    for count in _COUNTS:
        environments = copies_of_dev(folder / f"{count}-environments", count)
        apps = Apps(environments, folder / f"{count}-out")
        runs = interleaved(
            {
                "ours": apps.ours(),
                "javascript": apps.javascript(validated=False),
                "troposphere": apps.troposphere(),
            },
            rounds,
            lambda what, count=count: told(f"{count} environments: {what}"),  # type: ignore[misc]
        )
        for name, values in medians.items():
            values.append(seconds(runs[name]))
        memory = peak_mib(runs["ours"])
        figures.append(
            Figure(
                f"{count} environment{'s' if count > 1 else ''}",
                f"{seconds(runs['ours']):.2f} s, {memory:.0f} MiB "
                f"(JavaScript {seconds(runs['javascript']):.2f} s, "
                f"troposphere {seconds(runs['troposphere']):.2f} s)",
            )
        )
    slopes = {name: _slope(values) for name, values in medians.items()}
    figures += [
        Figure("a further environment", ", ".join(f"{n} {s:.3f} s" for n, s in slopes.items())),
        at_most("slope to the JavaScript peer's", slopes["ours"] / slopes["javascript"], 2.0),
    ]
    return Part(
        "From 1 to 100 environments",
        "Each is a copy of dev with names of its own; nothing is validated, nothing kept.",
        figures,
    )


def _slope(values: list[float]) -> float:
    return statistics.linear_regression(_COUNTS, values).slope


def _times(what: str, runs: list[Run], to: list[Run]) -> Figure:
    return plain(what, ratio(runs, to), "x")
