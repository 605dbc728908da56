"""Each fault, compressed; `make reliability` writes the table into docs/reliability.md."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.device.faults import table
from tests.device.faults.faults import FAULTS, Fault, Scale
from tests.device.faults.table import failures

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.device.faults.oracle import Verdict

TOGETHER = 6

Verdicts = dict[Fault, "Future[Verdict]"]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    """Every fault's verdict; they mostly wait, so several run at once."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        yield {
            fault: pool.submit(fault.run, tmp_path_factory.mktemp("fault"), Scale())
            for fault in FAULTS
        }


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.group}: {fault.name}")
def test_nothing_that_was_promised_is_lost(fault: Fault, verdicts: Verdicts) -> None:
    verdict = verdicts[fault].result()
    assert failures(fault, verdict) == [], verdict


def test_the_table_goes_into_the_page_and_leaves_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(table, "PAGE", page)
    table.write(["| a fault | 0 of 1 | 0 | 0 | - | 0.0 s | passed |"])
    lines = page.read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[1], lines[-2], lines[-1]) == ("before", table.BEGIN, table.END, "after")
    assert len({line.count("|") for line in lines[2:-2]}) == 1
    assert "old" not in lines
