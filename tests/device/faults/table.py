"""`python -m tests.device.faults.table`: run every fault, and write the table of the results.

Times are medians over the runs of a fault. Exit codes: 0 every fault passed, 1 one did not.
"""

import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import click

from tests.device.faults.faults import FAULTS, NIGHTLY, Fault, Scale
from tests.device.faults.oracle import ROOT, Verdict

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: make reliability -->", "<!-- end of faults -->"
_RESTART_SECONDS, _DRAINED_SECONDS, _END_SECONDS = 5.0, 60.0, 5.0
_TOGETHER = 4


def failures(fault: Fault, verdict: Verdict) -> list[str]:
    """Return the pass criteria that a verdict does not meet; an empty list if it passed."""
    problems = []
    if verdict.stored == 0:
        problems.append("no message was stored, so the run checks nothing")
    if verdict.lost:
        problems.append(f"{verdict.lost} lost")
    most_duplicates = fault.most_duplicates + verdict.repeatable
    if verdict.duplicates > most_duplicates:
        problems.append(f"{verdict.duplicates} duplicates, at most {most_duplicates}")
    if not verdict.in_order:
        problems.append("out of order")
    if not fault.drops and verdict.dropped_as_reported:
        problems.append(f"{verdict.dropped_as_reported} dropped")
    return problems


def slow(restart_seconds: float, drained_seconds: float, end_seconds: float) -> list[str]:
    """Return the median times that exceed their limits."""
    limits = (
        ("restarted", restart_seconds, _RESTART_SECONDS),
        ("drained", drained_seconds, _DRAINED_SECONDS),
        ("ended", end_seconds, _END_SECONDS),
    )
    return [
        f"{event} after {seconds:.1f} s, at most {most:g} s"
        for event, seconds, most in limits
        if seconds > most
    ]


def row(fault: Fault, results: Sequence[Verdict | str]) -> str:
    """Return the row of a fault: the sums of the counts, and the medians of the times."""
    broken = [result for result in results if isinstance(result, str)]
    if broken:
        return f"| {fault.group}: {fault.name} | | | | | | | **failed**: {broken[0]} |"
    verdicts = [result for result in results if not isinstance(result, str)]
    restart = median(verdict.restart_seconds for verdict in verdicts)
    drained = median(verdict.drained_seconds for verdict in verdicts)
    end = median(verdict.end_seconds for verdict in verdicts)
    problems = [problem for verdict in verdicts for problem in failures(fault, verdict)]
    problems += slow(restart, drained, end)
    lost, stored = (
        sum(verdict.lost for verdict in verdicts),
        sum(verdict.stored for verdict in verdicts),
    )
    corrupt = sum(verdict.heartbeat.get("spool", {}).get("corrupt", 0) for verdict in verdicts)
    damaged = f"; {corrupt} more on damaged pages, counted" if corrupt else ""
    return (
        f"| {fault.group}: {fault.name} | {lost} of {stored}{damaged} "
        f"| {sum(verdict.duplicates for verdict in verdicts)} "
        f"| {sum(verdict.dropped_as_reported for verdict in verdicts)} "
        f"| {_seconds(restart)} | {_seconds(drained)} | {_seconds(end)} "
        f"| {'; '.join(problems) or 'passed'} |"
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds else "-"


def run(fault: Fault, scale: Scale) -> Verdict | str:
    """Run one fault; return its verdict, or the first line of an error."""
    with tempfile.TemporaryDirectory() as work:
        try:
            return fault.run(Path(work), scale)
        except AssertionError as error:
            return (str(error) or "an assertion").splitlines()[0][:200]


@click.command()
@click.option(
    "--nightly", is_flag=True, help="Use the real durations, such as an outage of ten minutes."
)
@click.option("--check", is_flag=True, help="Do not write the page.")
@click.option(
    "--runs",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Runs of each fault; the table shows the medians of their times.",
)
def main(*, nightly: bool, check: bool, runs: int) -> None:
    """Run every fault, and write the table of the results into docs/reliability.md."""
    scale = NIGHTLY if nightly else Scale()
    with ThreadPoolExecutor(_TOGETHER) as pool:
        results = [[pool.submit(run, fault, scale) for _ in range(runs)] for fault in FAULTS]
        rows = []
        for fault, submitted in zip(FAULTS, results, strict=True):
            rows.append(row(fault, [future.result() for future in submitted]))
            click.echo(rows[-1])
    if not check:
        write(rows)
    sys.exit(0 if all(line.endswith("| passed |") for line in rows) else 1)


def write(rows: list[str]) -> None:
    """Replace the table in the page."""
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
