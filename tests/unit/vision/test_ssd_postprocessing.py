"""The postprocessing of a single-shot detector equals TensorFlow's operations."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifact.manifest import InputSpec, OutputSpec, SplitDetectorSpec
from shared.vision.ssd_postprocessing import detections_of

pytestmark = pytest.mark.filterwarnings("ignore")

PIXELS = InputSpec(
    name="p:0", dtype="float32", layout="NHWC", width_px=8, height_px=8, channel_order="RGB",
    resize="tf1-bilinear", mean=(0, 0, 0), scale=(1, 1, 1),
)  # fmt: skip


def split(**changes: Any) -> SplitDetectorSpec:
    given: dict[str, Any] = {
        "graph": "cut_model.pb",
        "anchors": "anchors.npy",
        "input": PIXELS,
        "box_encodings": OutputSpec("b:0", "float32", (None, 4)),
        "class_predictions": OutputSpec("c:0", "float32", (None, None)),
        "box_scale": (10.0, 10.0, 5.0, 5.0),
        "score_converter": "identity",
        "score_threshold": 0.3,
        "iou_threshold": 0.6,
        "most_per_class": 100,
        "most_detections": 100,
    }
    return SplitDetectorSpec(**(given | changes))


def test_an_encoding_of_zero_is_its_anchor() -> None:
    anchors = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    found = detections_of(
        np.zeros((1, 4), np.float32), np.array([[0, 0.9]], np.float32), anchors, split()
    )
    np.testing.assert_allclose(found["detection_boxes"], [[[0.4, 0.3, 0.6, 0.7]]], atol=1e-6)
    assert found["detection_classes"].tolist() == [[1]]
    assert found["detection_scores"][0][0] == pytest.approx(0.9)


def test_nothing_above_the_threshold_is_nothing() -> None:
    found = detections_of(
        np.zeros((3, 4), np.float32),
        np.zeros((3, 5), np.float32),
        np.ones((3, 4), np.float32),
        split(),
    )
    assert found["num_detections"].tolist() == [0]
    assert found["detection_boxes"].shape == (1, 0, 4)


@pytest.mark.parametrize("converter", ["sigmoid", "softmax"])
def test_scores_are_converted_without_overflow(converter: str) -> None:
    predictions = np.array([[-200.0, 200.0]], np.float32)
    found = detections_of(
        np.zeros((1, 4), np.float32),
        predictions,
        np.array([[0.5, 0.5, 0.2, 0.2]], np.float32),
        split(score_converter=converter),
    )
    assert found["detection_scores"].tolist() == [[1.0]]


@pytest.mark.process
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 4), st.integers(1, 30))
def test_suppression_is_tensorflows(seed: int, count: int, classes: int, most: int) -> None:
    """Suppression per class, and the merge of its results, equal those of TensorFlow's graphs."""
    import tensorflow as tf  # noqa: PLC0415 - the import takes seconds

    random = np.random.default_rng(seed)
    centers = random.uniform(0.2, 0.8, (count, 2))
    sides = random.uniform(0.05, 0.6, (count, 2))
    anchors = np.concatenate([centers, sides], axis=1).astype(np.float32)
    scores = random.uniform(0, 1, (count, classes + 1)).astype(np.float32)
    spec = split(most_per_class=most, most_detections=most)
    found = detections_of(np.zeros((count, 4), np.float32), scores, anchors, spec)

    boxes = np.clip(
        np.concatenate([centers - sides / 2, centers + sides / 2], axis=1).astype(np.float32), 0, 1
    )
    wanted = []
    for kind in range(classes):
        above = np.nonzero(scores[:, kind + 1] > spec.score_threshold)[0]
        kept = tf.image.non_max_suppression(
            boxes[above], scores[above, kind + 1], most, spec.iou_threshold
        ).numpy()
        wanted += [(-float(scores[index, kind + 1]), kind + 1) for index in above[kept]]
    best = sorted(wanted)[:most]
    assert found["detection_classes"][0].tolist() == [kind for _, kind in best]
    np.testing.assert_allclose(found["detection_scores"][0], [-score for score, _ in best])
