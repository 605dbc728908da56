"""What is measured is the command, not what else the machine's host does."""

import itertools

import pytest

from benchmarks.daily.timing import Run, interleaved


def runs_of(*stolen_seconds: float) -> list[Run]:
    """Measure, once warm, a command whose runs the host disturbs one after the other."""
    made = itertools.count(1)
    stolen = iter(stolen_seconds)
    return interleaved(
        {"it": lambda: Run(float(next(made)), 0.0, stolen_seconds=next(stolen))},
        rounds=1,
        told=lambda _: None,
    )["it"]


@pytest.mark.parametrize(
    ("stolen_seconds", "counts"),
    [
        pytest.param([9.0, 0.0], 2, id="the first run after warming up, where nothing was taken"),
        pytest.param([0.0, 1.0, 0.0], 3, id="the next one, where the host took time"),
        pytest.param([0.0, 2.0, 0.3, 2.0, 2.0], 3, id="the best of four where it always does"),
    ],
)
def test_the_run_that_counts_is(stolen_seconds: list[float], counts: float) -> None:
    (run,) = runs_of(*stolen_seconds)
    assert run.seconds == counts
