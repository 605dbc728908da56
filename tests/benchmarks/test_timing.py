"""A run is repeated if the virtual machine's host took processor time from the run."""

import itertools

import pytest

from benchmarks.daily.timing import Run, interleaved


def runs_of(*stolen_seconds: float) -> list[Run]:
    """Measure a command whose runs lose these seconds to the host; return the runs that count.

    The first run is a warm-up, which does not count.
    """
    numbers = itertools.count(1)
    stolen = iter(stolen_seconds)
    return interleaved(
        {"command": lambda: Run(float(next(numbers)), 0.0, stolen_seconds=next(stolen))},
        rounds=1,
        log=lambda _: None,
    )["command"]


@pytest.mark.parametrize(
    ("stolen_seconds", "counts"),
    [
        pytest.param([9.0, 0.0], 2, id="the first run after the warm-up, if no time was stolen"),
        pytest.param([0.0, 1.0, 0.0], 3, id="the next run, if time was stolen"),
        pytest.param([0.0, 2.0, 0.3, 2.0, 2.0], 3, id="the best of four, if time is always stolen"),
    ],
)
def test_the_run_that_counts_is(stolen_seconds: list[float], counts: float) -> None:
    (run,) = runs_of(*stolen_seconds)
    assert run.seconds == counts
