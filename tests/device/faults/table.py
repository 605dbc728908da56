"""`python -m tests.device.faults.table`: run every fault, and write the table of the results.

Exit codes: 0 every fault passed, 1 one did not.
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from tests.device.faults.faults import FAULTS, NIGHTLY, Fault, Scale
from tests.device.faults.oracle import ROOT, Verdict

PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- faults: make reliability -->", "<!-- end of faults -->"
_RESTART_SECONDS, _DRAINED_SECONDS = 5.0, 60.0
_TOGETHER = 4


def failures(fault: Fault, verdict: Verdict) -> list[str]:
    """What of the pass line a verdict does not reach; nothing when it passed."""
    found = []
    if verdict.promised == 0:
        found.append("nothing was promised: the run proves nothing")
    if verdict.lost:
        found.append(f"{verdict.lost} lost")
    if verdict.duplicates > fault.most_duplicates:
        found.append(f"{verdict.duplicates} duplicates, at most {fault.most_duplicates}")
    if not verdict.in_order:
        found.append("out of order")
    if verdict.restart_seconds > _RESTART_SECONDS:
        found.append(f"restarted after {verdict.restart_seconds:.1f} s")
    if verdict.drained_seconds > _DRAINED_SECONDS:
        found.append(f"drained after {verdict.drained_seconds:.1f} s")
    if not fault.drops and verdict.dropped_as_told:
        found.append(f"{verdict.dropped_as_told} dropped")
    return found


def row(fault: Fault, verdict: Verdict | str) -> str:
    """One line of the table."""
    if isinstance(verdict, str):
        return f"| {fault.group}: {fault.name} | | | | | | **failed**: {verdict} |"
    problems = failures(fault, verdict)
    restart = f"{verdict.restart_seconds:.1f} s" if verdict.restart_seconds else "-"
    corrupt = verdict.heartbeat.get("spool", {}).get("corrupt", 0)
    damaged = f"; {corrupt} more on the damaged bytes, counted" if corrupt else ""
    return (
        f"| {fault.group}: {fault.name} | {verdict.lost} of {verdict.promised}{damaged} "
        f"| {verdict.duplicates} | {verdict.dropped_as_told} | {restart} "
        f"| {verdict.drained_seconds:.1f} s | {'; '.join(problems) or 'passed'} |"
    )


def run(fault: Fault, scale: Scale) -> Verdict | str:
    """Run one fault; return its verdict, or what went wrong."""
    with tempfile.TemporaryDirectory() as work:
        try:
            return fault.run(Path(work), scale)
        except AssertionError as error:
            return (str(error) or "an assertion").splitlines()[0][:200]


@click.command()
@click.option("--nightly", is_flag=True, help="An outage lasts its real ten minutes.")
@click.option("--check", is_flag=True, help="Write nothing.")
def main(*, nightly: bool, check: bool) -> None:
    """Run every fault, and write the table of the results into docs/reliability.md."""
    scale = NIGHTLY if nightly else Scale()
    with ThreadPoolExecutor(_TOGETHER) as pool:
        results = [pool.submit(run, fault, scale) for fault in FAULTS]
        rows = []
        for fault, result in zip(FAULTS, results, strict=True):
            rows.append(row(fault, result.result()))
            click.echo(rows[-1])
    if not check:
        write(rows)
    sys.exit(0 if all(one.endswith("| passed |") for one in rows) else 1)


def write(rows: list[str]) -> None:
    """Put the table into the page, in place of the one that is there."""
    head = [
        "| fault | lost of promised | duplicates | dropped | restart | drained | result |",
        "|---|---|---|---|---|---|---|",
    ]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    table = "\n".join([BEGIN, *head, *rows, END])
    PAGE.write_text(f"{before}{table}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
