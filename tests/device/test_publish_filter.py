from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from camera.publish_filter import PublishFilter
from shared.vision.detections import Detection
from tests.device.bench import Clock, dynamic_settings

CAT, DOG = Detection("cat", 0.9), Detection("dog", 0.6)


class Published:
    """A publish filter that receives one frame per second."""

    def __init__(self, **settings: Any) -> None:
        self.clock = Clock()
        self.filter = PublishFilter(self.clock)
        self.settings = dynamic_settings(**settings)

    def labels(self, *detections: Detection) -> list[str] | None:
        self.clock.now_seconds += 1
        selected = self.filter.select(detections, self.settings)
        return None if selected is None else [detection.label for detection in selected]


def test_each_frame_is_published_with_scores_of_at_least_the_threshold() -> None:
    published = Published(threshold=0.7)
    assert published.labels(CAT, DOG) == ["cat"]
    assert published.labels(CAT, DOG) == ["cat"]
    assert published.labels(DOG) is None


def test_only_labels_of_interest_are_published() -> None:
    published = Published(labels=("dog",))
    assert published.labels(CAT, DOG) == ["dog"]
    assert published.labels(CAT) is None


def test_a_change_is_published_once_and_so_is_an_empty_frame() -> None:
    published = Published(publish_on_change=True)
    assert published.labels() is None
    assert published.labels(CAT) == ["cat"]
    assert published.labels(CAT) is None
    assert published.labels(CAT, CAT) == ["cat", "cat"]
    assert published.labels(DOG) == ["dog"]
    assert published.labels() == []
    assert published.labels() is None


def test_labels_without_interest_are_not_a_change() -> None:
    published = Published(publish_on_change=True, labels=("cat",))
    assert published.labels(CAT) == ["cat"]
    assert published.labels(CAT, DOG) is None


def test_a_label_is_published_again_after_its_interval_and_another_immediately() -> None:
    published = Published(label_interval_seconds=3)
    assert published.labels(CAT) == ["cat"]
    assert published.labels(CAT) is None
    assert published.labels(CAT, DOG) == ["dog"]
    assert published.labels(CAT, DOG) == ["cat"]
    assert published.labels(CAT, CAT) is None


def test_all_detections_of_a_due_label_are_published() -> None:
    assert Published(label_interval_seconds=3).labels(CAT, CAT) == ["cat", "cat"]


@given(
    frames=st.lists(st.lists(st.sampled_from(["cat", "dog", "bird"]), max_size=3), max_size=30),
    interval=st.integers(1, 5),
)
def test_no_label_is_published_more_often_than_its_interval(
    frames: list[list[str]], interval: int
) -> None:
    published = Published(label_interval_seconds=interval)
    last: dict[str, float] = {}
    for labels in frames:
        for label in set(published.labels(*(Detection(label, 0.9) for label in labels)) or []):
            assert published.clock() - last.get(label, -interval) >= interval
            last[label] = published.clock()
