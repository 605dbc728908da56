import pytest

from camera.backoff import Backoff, ErrorCounts, is_logged
from camera.errors import CameraError, PublishError
from tests.device.bench import Clock


def test_pauses_double_from_one_second_to_a_minute() -> None:
    backoff = Backoff()
    assert [backoff.failed() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_success_resets_the_pause_and_returns_the_failures() -> None:
    backoff = Backoff()
    for _ in range(5):
        backoff.failed()
    assert backoff.succeeded() == 5
    assert backoff.succeeded() == 0
    assert backoff.failed() == 1
    assert backoff.consecutive == 1


def test_pauses_stay_finite_for_a_year_of_failures() -> None:
    backoff = Backoff()
    assert max(backoff.failed() for _ in range(600_000)) == 60


def test_an_error_is_counted_and_logged_at_each_doubling() -> None:
    repeats = ErrorCounts(Clock())
    counts = [repeats.count(CameraError("dark")) for _ in range(40)]
    assert counts == list(range(1, 41))
    assert [count for count in counts if is_logged(count)] == [1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize("other", [CameraError("wet"), PublishError("dark")])
def test_another_text_or_type_is_another_error(other: Exception) -> None:
    repeats = ErrorCounts(Clock())
    for _ in range(3):
        repeats.count(CameraError("dark"))
    assert repeats.count(other) == 1


def test_an_error_that_did_not_occur_for_ten_minutes_is_new_again() -> None:
    clock = Clock()
    repeats = ErrorCounts(clock)
    for _ in range(3):
        repeats.count(CameraError("dark"))
    clock.now_seconds += 601
    assert repeats.count(CameraError("dark")) == 1


def test_errors_that_are_all_different_do_not_fill_the_memory() -> None:
    repeats = ErrorCounts(Clock())
    for number in range(1000):
        assert repeats.count(CameraError(str(number))) == 1
    assert repeats.count(CameraError("0")) == 1
    assert repeats.count(CameraError("999")) == 2
