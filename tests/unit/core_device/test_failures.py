"""Each nucleus sets a component to BROKEN after certain failures."""

from hypothesis import given
from hypothesis import strategies as st

from local_aws.core_device.classic import is_third_failure
from local_aws.core_device.device import NUCLEI
from local_aws.core_device.lite import is_start_limit_hit

HOUR = 3600.0
CLASSIC, LITE = NUCLEI["classic"], NUCLEI["lite"]

times = st.lists(st.floats(0, 5 * HOUR), max_size=8).map(sorted)


def test_the_third_failure_within_an_hour_is_the_last_on_both() -> None:
    starts, failures = [0.0, 11.0, 21.0], [10.0, 20.0, 30.0]
    for count in (1, 2):
        assert not CLASSIC.is_broken(starts[:count], failures[:count])
        assert not LITE.is_broken(starts[:count], failures[:count])
    assert CLASSIC.is_broken(starts, failures)
    assert LITE.is_broken(starts, failures)


def test_classic_counts_again_an_hour_after_the_failure_before() -> None:
    assert is_third_failure([0.0, 3599.0, 7198.0])
    assert not is_third_failure([0.0, 10.0, 3610.0])
    assert not is_third_failure([0.0, 3600.0, 7200.0])
    assert is_third_failure([0.0, 10.0, 3610.0, 3620.0, 3630.0])


def test_lite_counts_the_starts_of_an_hour_that_the_first_start_begins() -> None:
    assert is_start_limit_hit([0.0, 1800.0, 3500.0], 3599.0)
    assert not is_start_limit_hit([0.0, 1800.0, 3500.0], 3601.0)
    assert not is_start_limit_hit([0.0, 1800.0], 1801.0)
    assert is_start_limit_hit([0.0, 4000.0, 4001.0, 4002.0], 4003.0)
    assert not is_start_limit_hit([], 0.0)


@given(times)
def test_two_failures_never_break_a_component(failures: list[float]) -> None:
    assert not is_third_failure(failures[:2])
    assert not is_start_limit_hit(failures[:2], 5 * HOUR)


@given(times, st.floats(-1e6, 1e6))
def test_only_the_distances_of_failures_matter(failures: list[float], shift: float) -> None:
    seconds = [round(failure) for failure in failures]
    moved = [second + round(shift) for second in seconds]
    assert is_third_failure(seconds) == is_third_failure(moved)


@given(st.lists(st.floats(0, HOUR - 1), min_size=3, max_size=8).map(sorted))
def test_three_failures_within_an_hour_break_a_component_of_both(failures: list[float]) -> None:
    assert is_third_failure(failures)
    assert is_start_limit_hit(failures, HOUR - 1)


@given(times)
def test_failures_an_hour_apart_never_break_a_component(failures: list[float]) -> None:
    apart = [HOUR * (position + 1) + 2 * position for position in range(len(failures))]
    assert not is_third_failure(apart)
    assert not any(is_start_limit_hit(apart[:count], apart[count]) for count in range(len(apart)))
