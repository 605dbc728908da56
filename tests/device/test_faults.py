"""An injected fault of short duration loses no stored message.

Only messages on damaged bytes of the disk are lost, and counted. `make reliability` writes the
table of the faults into docs/reliability.md.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from testkit.fault_injection import table
from testkit.fault_injection.faults import FAULTS, InjectedFault, Scale
from testkit.fault_injection.oracle import FaultResult
from testkit.fault_injection.table import failures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOGETHER = 6

Verdicts = dict[InjectedFault, "Future[FaultResult]"]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    """The future result of each fault; the faults run in parallel, because runs mostly wait."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        yield {
            fault: pool.submit(fault.run, tmp_path_factory.mktemp("fault"), Scale())
            for fault in FAULTS
        }


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.group}: {fault.name}")
def test_no_stored_message_is_lost(fault: InjectedFault, verdicts: Verdicts) -> None:
    result = verdicts[fault].result()
    assert failures(fault, result) == [], result


def verdict(seconds: float = 0.1, **changes: Any) -> FaultResult:
    same: dict[str, Any] = {"decided": 9, "stored": 9, "lost": 0, "duplicates": 0}
    same |= {"repeatable": 0, "in_order": True, "dropped_by_id": 0, "dropped_as_reported": 0}
    times = {"restart_seconds": seconds, "drained_seconds": seconds, "end_seconds": seconds}
    return FaultResult(**(same | times | changes))


def test_a_row_has_the_median_of_each_time_and_the_sum_of_each_count() -> None:
    row = table.row(FAULTS[0], [verdict(0.1), verdict(60.0), verdict(0.3, stored=7)])
    assert row.endswith("| 0 of 25 | 0 | 0 | 0.3 s | 0.3 s | 0.3 s | passed |")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"lost": 1}, "1 lost"),
        ({"duplicates": 2, "repeatable": 1}, "2 duplicates, at most 1"),
        ({"in_order": False}, "out of order"),
        ({"stored": 0}, "no message was stored, so the run checks nothing"),
        ({"dropped_as_reported": 3}, "3 dropped"),
        ({"restart_seconds": 5.1}, "restarted after 5.1 s, at most 5 s"),
        ({"drained_seconds": 61.0}, "drained after 61.0 s, at most 60 s"),
        ({"end_seconds": 5.1}, "ended after 5.1 s, at most 5 s"),
    ],
)
def test_a_row_names_the_criterion_that_was_not_met(changes: dict[str, Any], problem: str) -> None:
    assert table.row(FAULTS[0], [verdict(**changes)]).endswith(f"| {problem} |")


def test_only_the_table_of_the_page_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(table, "PAGE", page)
    table.write(["| a fault | 0 of 1 | 0 | 0 | - | - | 0.1 s | passed |"])
    lines = page.read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[1], lines[-2], lines[-1]) == ("before", table.BEGIN, table.END, "after")
    assert len({line.count("|") for line in lines[2:-2]}) == 1
    assert "old" not in lines
