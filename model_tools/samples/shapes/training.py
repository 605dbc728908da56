"""Train the shapes detector, and evaluate it on separate images."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools import tensorflow_setup
from model_tools.samples.shapes import network
from model_tools.samples.shapes.drawing import DrawnShape, draw_image

_BATCH = 16
_PEAK_LEARNING_RATE = 6e-3
_WARM_UP_SHARE = 0.08
_MATCH_IOU = 0.5
_DRAWN_AHEAD = 3


@dataclass(frozen=True)
class Quality:
    """Precision and recall at IoU 0.5 and a score threshold, on images not used in training."""

    precision: float
    recall: float
    threshold: float
    pictures: int
    shapes: int

    def as_dict(self) -> dict[str, float | int]:
        """Return the metrics as plain data."""
        return asdict(self)


def train(seed: int, steps: int, progress: Callable[[int, float], None]) -> Any:
    """Train from random weights for `steps` batches of 16; equal seeds result in equal weights.

    Args:
        seed: seed of the images and the initial weights.
        steps: number of batches, at least 1.
        progress: called after each step with its number (from 1) and the loss.

    Returns:
        The trained Keras model.
    """
    import keras  # noqa: PLC0415 - imports TensorFlow
    import tensorflow as tf  # noqa: PLC0415 - as above

    tensorflow_setup.configure_training(seed)
    model = network.build()
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=1e-4)

    @tf.function(jit_compile=False)  # type: ignore[untyped-decorator]
    def step(pictures: Any, heat: Any, distances: Any, mask: Any) -> Any:
        with tf.GradientTape() as tape:
            pixels = tf.cast(pictures, tf.float32) * (2.0 / 255.0) - 1.0
            value = network.loss(model(pixels, training=True), heat, distances, mask)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return value

    # The next batches are drawn during the training on the current batch.
    with ThreadPoolExecutor(1) as pool:
        drawing = deque(pool.submit(_batch, seed, number) for number in range(_DRAWN_AHEAD))
        for number in range(1, steps + 1):
            drawing.append(pool.submit(_batch, seed, number + _DRAWN_AHEAD - 1))
            optimizer.learning_rate.assign(_learning_rate(number / steps))
            progress(number, float(step(*drawing.popleft().result())))
        pool.shutdown(cancel_futures=True)
    return model


def evaluate(
    infer: Callable[[npt.NDArray[np.uint8]], dict[str, npt.NDArray[np.float32]]],
    *,
    seed: int,
    pictures: int = 200,
    threshold: float = 0.5,
) -> Quality:
    """Measure the quality of `infer` on new images, which depend only on `seed`.

    `infer` receives an image, uint8 [1, H, W, 3], and returns outputs of the Object Detection API.
    """
    random = np.random.default_rng([seed, 1])
    detected = correct = drawn = 0
    for _ in range(pictures):
        image, shapes = draw_image(random, network.WIDTH_PX, network.HEIGHT_PX)
        answer = infer(image[np.newaxis])
        keep = answer["detection_scores"][0] >= threshold
        boxes = answer["detection_boxes"][0][keep]
        kinds = answer["detection_classes"][0][keep].astype(int) - 1
        detected += len(boxes)
        drawn += len(shapes)
        correct += _matches(boxes, kinds, shapes)
    return Quality(
        precision=round(correct / max(detected, 1), 4),
        recall=round(correct / max(drawn, 1), 4),
        threshold=threshold,
        pictures=pictures,
        shapes=drawn,
    )


def _learning_rate(share: float) -> float:
    """Return the learning rate of a one-cycle schedule: linear increase, then cosine decay."""
    if share < _WARM_UP_SHARE:
        return _PEAK_LEARNING_RATE * share / _WARM_UP_SHARE
    rest = (share - _WARM_UP_SHARE) / (1 - _WARM_UP_SHARE)
    return float(_PEAK_LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * rest)) + 1e-6)


def _batch(seed: int, number: int) -> tuple[npt.NDArray[Any], ...]:
    """Draw a batch, whose images depend only on the seed and the number."""
    random = np.random.default_rng([seed, 0, number])
    drawn = [draw_image(random, network.WIDTH_PX, network.HEIGHT_PX) for _ in range(_BATCH)]
    targets = [network.targets(shapes) for _, shapes in drawn]
    images = np.stack([image for image, _ in drawn])
    heat, distances, mask = (np.stack(parts) for parts in zip(*targets, strict=True))
    return images, heat, distances, mask


def _matches(
    boxes: npt.NDArray[np.float32], kinds: npt.NDArray[np.int_], shapes: list[DrawnShape]
) -> int:
    """Count detections, best first, that match a shape by label and box; a shape matches once."""
    scale = np.array([network.HEIGHT_PX, network.WIDTH_PX] * 2, np.float32)
    unmatched_shapes = list(shapes)
    count = 0
    for box, kind in zip(boxes * scale, kinds, strict=True):
        for shape in unmatched_shapes:
            if shape.kind == kind and _iou(box, np.array(shape.box)) >= _MATCH_IOU:
                unmatched_shapes.remove(shape)
                count += 1
                break
    return count


def _iou(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float:
    height, width = np.maximum(
        0, np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    )
    common = height * width
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return float(common / max(areas[0] + areas[1] - common, 1e-9))
