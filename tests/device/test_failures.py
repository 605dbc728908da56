import pytest

from camera.errors import CameraError, PublishError
from camera.failures import Backoff, Repeats
from tests.device.bench import Clock


def test_pauses_double_from_one_second_to_a_minute() -> None:
    backoff = Backoff()
    assert [backoff.failed() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_success_starts_again_and_says_what_it_ended() -> None:
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


def test_an_error_is_news_at_each_doubling_of_its_number() -> None:
    repeats = Repeats(Clock())
    news = [number for number in range(1, 40) if repeats.is_news(CameraError("dark"))]
    assert news == [1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize("other", [CameraError("wet"), PublishError("dark")])
def test_another_text_or_type_is_another_error(other: Exception) -> None:
    repeats = Repeats(Clock())
    for _ in range(3):
        repeats.is_news(CameraError("dark"))
    assert repeats.is_news(other)


def test_an_error_that_stayed_away_is_news_again() -> None:
    clock = Clock()
    repeats = Repeats(clock)
    for _ in range(3):
        repeats.is_news(CameraError("dark"))
    clock.now_seconds += 601
    assert repeats.is_news(CameraError("dark"))


def test_errors_that_are_all_different_do_not_fill_the_memory() -> None:
    repeats = Repeats(Clock())
    for number in range(1000):
        assert repeats.is_news(CameraError(str(number)))
    assert repeats.is_news(CameraError("0"))
    assert repeats.is_news(CameraError("999"))
    assert not [n for n in range(3) if repeats.is_news(CameraError("999"))][2:]
