import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from camera.drift import MIN_FRAMES, SAMPLE_SECONDS
from model_tools.artifact.archive import unpack_artifact
from shared.artifact.archive import Artifact
from shared.artifact.drift_baseline import (
    FEATURES,
    Baseline,
    brightness_and_sharpness,
    distance,
)
from shared.artifact.errors import ManifestError
from shared.messages.wire import written
from shared.vision.detections import Detection
from shared.vision.engine import InferenceEngine, open_engine
from testkit.drift_scenes import SHIFTS, Looked, WatchedCamera, looked_at
from testkit.pinned import pinned_artifact
from tests.device.bench import frame

# The maximum number of frames until a shift is reported: docs/camera.md contains the limit, and
# `make benchmark-drift` measures the values.
MOST_FRAMES = 60
CALM_FRAMES = 120


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return unpack_artifact(pinned_artifact(), tmp_path_factory.mktemp("shapes"))


@pytest.fixture(scope="module")
def engine(artifact: Artifact) -> InferenceEngine:
    return open_engine("openvino", artifact)


@pytest.fixture(scope="module")
def baseline(artifact: Artifact) -> Baseline:
    assert artifact.manifest.baseline is not None, "the sample detector carries a baseline"
    return artifact.manifest.baseline


@pytest.fixture(scope="module")
def calm(engine: InferenceEngine) -> list[Looked]:
    return looked_at(engine, seed=1)


@pytest.mark.parametrize("name", SHIFTS)
def test_a_shift_is_reported_within_sixty_frames_with_its_feature(
    name: str, engine: InferenceEngine, baseline: Baseline, calm: list[Looked]
) -> None:
    shift, feature = SHIFTS[name]
    camera = WatchedCamera(baseline)
    camera.observe(calm, CALM_FRAMES)
    assert camera.moved == []
    shifted = looked_at(engine, 1, shift)
    assert camera.observe(shifted, MOST_FRAMES, until=feature) < MOST_FRAMES
    assert camera.changes >= 1, "the change is reported immediately"
    # Night must not move the sharpness, and blur must not move the brightness.
    assert {"night": "sharpness", "blur": "brightness"}.get(name) not in camera.moved


@pytest.mark.parametrize("seed", range(2, 5))
def test_frames_like_those_of_the_verification_raise_no_alarm(
    seed: int, engine: InferenceEngine, baseline: Baseline
) -> None:
    camera = WatchedCamera(baseline)
    camera.observe(looked_at(engine, seed), CALM_FRAMES)
    assert camera.changes == 0
    assert max(camera.distances) > 0, "it did compare"


def test_a_moved_feature_is_reset_after_the_night(
    engine: InferenceEngine, baseline: Baseline, calm: list[Looked]
) -> None:
    camera = WatchedCamera(baseline)
    camera.observe(looked_at(engine, 1, SHIFTS["night"][0]), MOST_FRAMES)
    assert "brightness" in camera.moved
    camera.observe(calm, 4 * MOST_FRAMES)
    assert camera.moved == []


def test_memory_does_not_grow_with_the_frames(baseline: Baseline, calm: list[Looked]) -> None:
    camera = WatchedCamera(baseline)
    # All features must have moved before the measurement, because their names need memory.
    camera.observe([(calm[0][0], [])], 2 * MIN_FRAMES)
    before = _size(camera.watch)
    # A malicious model could return an unlimited number of labels.
    for number in range(1000):
        named = [Detection(f"label {number}", 0.9)]
        camera.observe([(calm[0][0], named)], 1)
    assert _size(camera.watch) == before


def test_there_is_no_report_of_few_frames_or_without_a_baseline(
    baseline: Baseline, calm: list[Looked]
) -> None:
    camera = WatchedCamera(baseline)
    camera.observe(calm, MIN_FRAMES - 1)
    assert camera.watch.reported() is None
    camera.observe(calm, 1)
    assert set(written(camera.watch.reported())) == {"frames", *FEATURES, "moved"}
    without = WatchedCamera(None)
    without.observe(calm, 2 * MIN_FRAMES)
    assert without.watch.reported() is None


def test_a_threshold_of_zero_switches_the_comparison_off(
    baseline: Baseline, calm: list[Looked]
) -> None:
    camera = WatchedCamera(baseline)
    camera.observe(calm, MIN_FRAMES)
    camera.settings.apply_desired({"drift_threshold": 0})
    camera.observe(calm, 1)
    assert camera.watch.reported() is None
    camera.settings.apply_desired({"drift_threshold": 0.01})
    camera.observe(calm, MIN_FRAMES)
    assert camera.moved


def test_consecutive_frames_count_once(baseline: Baseline, calm: list[Looked]) -> None:
    camera = WatchedCamera(baseline)
    seen, detections = calm[0]
    for _ in range(MIN_FRAMES * 16):
        camera.now_seconds += SAMPLE_SECONDS / 8
        camera.watch.observe(seen, detections, 1.0)
    assert camera.watch.reported().frames == 2 * MIN_FRAMES


def test_another_model_starts_again(baseline: Baseline, calm: list[Looked]) -> None:
    camera = WatchedCamera(baseline)
    camera.observe(calm, MIN_FRAMES)
    camera.watch.set_baseline(baseline)
    assert camera.watch.reported() is None


@pytest.mark.parametrize("sides", [(1, 1), (4, 6), (96, 128), (1080, 1920), (3000, 2)])
def test_frames_of_any_size_are_measured(sides: tuple[int, int]) -> None:
    brightness, sharpness = brightness_and_sharpness(np.full((*sides, 3), 90, np.uint8))
    assert brightness == pytest.approx(90, abs=1)
    assert sharpness == 0


shares = arrays(np.float64, 6, elements=st.floats(0, 1)).filter(lambda array: array.sum() > 0.01)


@given(shares, shares)
def test_a_distance_is_symmetric_from_0_to_1_and_0_for_the_same(first: Any, second: Any) -> None:
    first, second = first / first.sum(), second / second.sum()
    assert 0 <= distance(first, second) <= 1
    assert distance(first, second) == pytest.approx(distance(second, first), abs=1e-6)
    assert distance(first, first) == pytest.approx(0, abs=1e-6)


def test_shares_with_nothing_in_common_have_the_largest_distance() -> None:
    assert distance(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 1


def test_a_baseline_is_unchanged_by_a_manifest(baseline: Baseline) -> None:
    again = Baseline.from_manifest(baseline.as_manifest())
    assert again.as_manifest() == baseline.as_manifest()


@pytest.mark.parametrize(
    ("feature", "key", "value", "message"),
    [
        ("score", "edges", [0.5, 0.2], "expected ascending edges"),
        ("score", "shares", [0.5, 0.5], "expected 8, one per bin"),
        ("labels", "shares", [1.0, 0.0], "expected 6, one per bin"),
        ("brightness", "shares", [0.0] * 8, "expected 1"),
        ("brightness", "shares", [float("nan")] * 8, "expected 1"),
    ],
)
def test_an_invalid_baseline_is_rejected(
    feature: str, key: str, value: object, message: str, baseline: Baseline
) -> None:
    document = baseline.as_manifest()
    document[feature][key] = value
    with pytest.raises(ManifestError, match=f"baseline.{feature}.{key}.*{message}"):
        Baseline.from_manifest(document)


def test_a_baseline_of_a_few_images_is_rejected() -> None:
    few: list[Any] = [(frame().image, [])] * 49
    with pytest.raises(ValueError, match=r"49 .*50 or more"):
        Baseline.measured(few, 0.5)


def _size(thing: object) -> int:
    """Return the total size of a monitor's containers, in bytes."""
    return sum(_sizes(vars(thing).values()))


def _sizes(values: Any) -> Iterator[int]:
    for value in values:
        if isinstance(value, dict):
            yield from _sizes(value.values())
        if isinstance(value, dict | tuple | list | np.ndarray):
            yield sys.getsizeof(value)
