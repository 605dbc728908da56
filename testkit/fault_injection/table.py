"""`python -m testkit.fault_injection.table`: run all faults, and write the table of the results.

With `--check`, the table is not written. Times are medians over the runs of a fault. Exit codes: 0
all faults passed, 1 a fault failed.
"""

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import click

from testkit.fault_injection.faults import FAULTS, NIGHTLY, InjectedFault, Scale
from testkit.fault_injection.oracle import ROOT, FaultResult

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: make reliability -->", "<!-- end of faults -->"
_RESTART_SECONDS, _DRAINED_SECONDS, _END_SECONDS = 5.0, 60.0, 5.0
_MAX_RUNS = 4


def failures(fault: InjectedFault, result: FaultResult) -> list[str]:
    """Return a phrase for each criterion that a result does not meet; empty if the fault passed."""
    problems = []
    if result.stored == 0:
        problems.append("no message was stored, so the run checks nothing")
    if result.lost:
        problems.append(f"{result.lost} lost")
    max_duplicates = fault.max_duplicates + result.repeatable
    if result.duplicates > max_duplicates:
        problems.append(f"{result.duplicates} duplicates, at most {max_duplicates}")
    if not result.in_order:
        problems.append("out of order")
    if not fault.drops and result.dropped_as_reported:
        problems.append(f"{result.dropped_as_reported} dropped")
    return problems


def slow(restart_seconds: float, drained_seconds: float, end_seconds: float) -> list[str]:
    """Return a phrase for each median time (in seconds) that exceeds its limit."""
    limits = (
        ("restarted", restart_seconds, _RESTART_SECONDS),
        ("drained", drained_seconds, _DRAINED_SECONDS),
        ("ended", end_seconds, _END_SECONDS),
    )
    return [
        f"{phase} after {seconds:.1f} s, at most {limit:g} s"
        for phase, seconds, limit in limits
        if seconds > limit
    ]


def row(fault: InjectedFault, results: Sequence[FaultResult | str]) -> str:
    """Return the table row of a fault: sums and medians over its runs, or the first error."""
    errors = [result for result in results if isinstance(result, str)]
    if errors:
        return f"| {fault.group}: {fault.name} | | | | | | | **failed**: {errors[0]} |"
    runs = [result for result in results if not isinstance(result, str)]
    restart = median(result.restart_seconds for result in runs)
    drained = median(result.drained_seconds for result in runs)
    end = median(result.end_seconds for result in runs)
    problems = [problem for result in runs for problem in failures(fault, result)]
    problems += slow(restart, drained, end)
    lost, stored = sum(result.lost for result in runs), sum(result.stored for result in runs)
    corrupt = sum(result.heartbeat.get("spool", {}).get("corrupt", 0) for result in runs)
    damaged = f"; {corrupt} more on the damaged bytes, counted" if corrupt else ""
    return (
        f"| {fault.group}: {fault.name} | {lost} of {stored}{damaged} "
        f"| {sum(result.duplicates for result in runs)} "
        f"| {sum(result.dropped_as_reported for result in runs)} "
        f"| {_seconds(restart)} | {_seconds(drained)} | {_seconds(end)} "
        f"| {'; '.join(problems) or 'passed'} |"
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds else "-"


def run(fault: InjectedFault, scale: Scale) -> FaultResult | str:
    """Run one fault; return the result, or the first line (max 200 characters) of the failure."""
    with tempfile.TemporaryDirectory() as work:
        try:
            return fault.run(Path(work), scale)
        except AssertionError as error:
            return (str(error) or "an assertion").splitlines()[0][:200]


@click.command()
@click.option("--nightly", is_flag=True, help="Use real durations: an outage lasts ten minutes.")
@click.option("--check", is_flag=True, help="Do not write the table.")
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Runs of each fault; the table shows the medians of their times.",
)
def main(*, nightly: bool, check: bool, runs: int) -> None:
    """Run all faults, and write the table of the results into docs/reliability.md.

    The exit code is 1 if a fault failed.
    """
    scale = NIGHTLY if nightly else Scale()
    with ThreadPoolExecutor(_MAX_RUNS) as pool:
        results = [[pool.submit(run, fault, scale) for _ in range(runs)] for fault in FAULTS]
        rows = []
        for fault, submitted in zip(FAULTS, results, strict=True):
            rows.append(row(fault, [future.result() for future in submitted]))
            click.echo(rows[-1])
    if not check:
        write(rows)
    sys.exit(0 if all(line.endswith("| passed |") for line in rows) else 1)


def write(rows: list[str]) -> None:
    """Replace the table in docs/reliability.md."""
    head = [
        "| fault | lost of stored | duplicates | dropped | restart | drained | end | result |",
        "|---|---|---|---|---|---|---|---|",
    ]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    table = "\n".join([BEGIN, *head, *rows, END])
    PAGE.write_text(f"{before}{table}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
