from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from camera.decisions import Decisions
from shared.vision.detections import Detection
from tests.device.bench import Clock, live_settings

CAT, DOG = Detection("cat", 0.9), Detection("dog", 0.6)


class Said:
    """What is said of frame after frame, a second apart."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.decisions = Decisions(self.clock)
        self.settings = live_settings(**settings)

    def of(self, *found: Detection) -> list[str] | None:
        self.clock.now_seconds += 1
        said = self.decisions.decide(found, self.settings)
        return None if said is None else [one.label for one in said]


def test_each_frame_is_said_with_what_reaches_the_threshold() -> None:
    said = Said(threshold=0.7)
    assert said.of(CAT, DOG) == ["cat"]
    assert said.of(CAT, DOG) == ["cat"]
    assert said.of(DOG) is None


def test_only_labels_of_interest_are_said() -> None:
    said = Said(labels=("dog",))
    assert said.of(CAT, DOG) == ["dog"]
    assert said.of(CAT) is None


def test_a_change_is_said_once_and_so_is_that_nothing_is_left() -> None:
    said = Said(publish_on_change=True)
    assert said.of() is None
    assert said.of(CAT) == ["cat"]
    assert said.of(CAT) is None
    assert said.of(CAT, CAT) == ["cat", "cat"]
    assert said.of(DOG) == ["dog"]
    assert said.of() == []
    assert said.of() is None


def test_what_is_of_no_interest_is_no_change() -> None:
    said = Said(publish_on_change=True, labels=("cat",))
    assert said.of(CAT) == ["cat"]
    assert said.of(CAT, DOG) is None


def test_a_label_is_said_again_after_its_interval_and_another_at_once() -> None:
    said = Said(label_interval_seconds=3)
    assert said.of(CAT) == ["cat"]
    assert said.of(CAT) is None
    assert said.of(CAT, DOG) == ["dog"]
    assert said.of(CAT, DOG) == ["cat"]
    assert said.of(CAT, CAT) is None


def test_all_of_a_label_that_is_due_are_said() -> None:
    assert Said(label_interval_seconds=3).of(CAT, CAT) == ["cat", "cat"]


@given(
    frames=st.lists(st.lists(st.sampled_from(["cat", "dog", "bird"]), max_size=3), max_size=30),
    interval=st.integers(1, 5),
)
def test_no_label_is_said_more_often_than_its_interval(
    frames: list[list[str]], interval: int
) -> None:
    said = Said(label_interval_seconds=interval)
    last: dict[str, float] = {}
    for labels in frames:
        for label in set(said.of(*(Detection(label, 0.9) for label in labels)) or []):
            assert said.clock() - last.get(label, -interval) >= interval
            last[label] = said.clock()
