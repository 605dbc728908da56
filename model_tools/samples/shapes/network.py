"""A small detector: objects as points (Zhou et al., 2019), stride 4, without anchors or NMS.

The input of the network is a uint8 image scaled to [-1, 1]. The network has outputs for each cell
of a grid four times smaller than the image: one score per label, and the distances from the center
of the cell to the four sides of the box, in units of `BOX_UNIT_PX`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.samples.shapes.drawing import LABELS, DrawnShape

WIDTH_PX, HEIGHT_PX, STRIDE_PX = 128, 96, 4
GRID_WIDTH, GRID_HEIGHT = WIDTH_PX // STRIDE_PX, HEIGHT_PX // STRIDE_PX
MOST_DETECTIONS = 20

_CHANNELS = (16, 32, 48, 64)
_FOCAL_PRIOR_LOGIT = -4.0
_BOX_LOSS_WEIGHT = 1.0
# The distance, in cells, from a shape's center within which cells also learn the shape's box.
_NEAR_CELLS = 2**0.5
# The unit of predicted distances: one unit is this number of pixels.
BOX_UNIT_PX = 16.0

Floats = npt.NDArray[np.float32]


def build() -> Any:
    """Return the Keras model: float32 [n, 96, 128, 3] → logits and distances, both [n, 24, 32, 4].

    The order of the distances is top, left, bottom, right; see `targets`.
    """
    import keras  # noqa: PLC0415 - imports TensorFlow

    def block(x: Any, channels: int, stride: int, name: str) -> Any:
        x = keras.layers.Conv2D(
            channels, 3, stride, padding="same", use_bias=False, name=f"{name}_conv"
        )(x)
        x = keras.layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def up(x: Any, name: str) -> Any:
        return keras.layers.UpSampling2D(2, name=name)(x)

    def join(deep: Any, skip: Any, name: str) -> Any:
        return keras.layers.Concatenate(name=name)([deep, skip])

    pixels = keras.Input((HEIGHT_PX, WIDTH_PX, 3), name="pixels")
    x = block(pixels, _CHANNELS[0], 2, "stem")
    quarter = block(block(x, _CHANNELS[1], 2, "down4"), _CHANNELS[1], 1, "keep4")
    eighth = block(block(quarter, _CHANNELS[2], 2, "down8"), _CHANNELS[2], 1, "keep8")
    x = block(block(eighth, _CHANNELS[3], 2, "down16"), _CHANNELS[3], 1, "keep16")
    x = block(join(up(x, "up8"), eighth, "join8"), _CHANNELS[2], 1, "merge8")
    x = block(join(up(x, "up4"), quarter, "join4"), _CHANNELS[1], 1, "merge4")
    scores = keras.layers.Conv2D(
        len(LABELS),
        1,
        bias_initializer=keras.initializers.Constant(_FOCAL_PRIOR_LOGIT),
        name="score_logits",
    )(x)
    distances = keras.layers.Conv2D(4, 1, name="distances")(x)
    return keras.Model(pixels, [scores, distances], name="shapes")


def targets(shapes: list[DrawnShape]) -> tuple[Floats, Floats, Floats]:
    """Return the target outputs of the network for an image.

    Returns:
        Heat map float32 [rows, columns, labels] with Gaussian bumps that are 1 at centers;
        distances float32 [rows, columns, 4] (top, left, bottom, right) in `BOX_UNIT_PX`; and a
        mask float32 [rows, columns, 1] of the cells whose distances are trained.
    """
    heat = np.zeros((GRID_HEIGHT, GRID_WIDTH, len(LABELS)), np.float32)
    distances = np.zeros((GRID_HEIGHT, GRID_WIDTH, 4), np.float32)
    mask = np.zeros((GRID_HEIGHT, GRID_WIDTH, 1), np.float32)
    rows, columns = np.mgrid[0:GRID_HEIGHT, 0:GRID_WIDTH]
    for shape in shapes:
        ymin, xmin, ymax, xmax = shape.box
        row = min(int((ymin + ymax) / 2 / STRIDE_PX), GRID_HEIGHT - 1)
        column = min(int((xmin + xmax) / 2 / STRIDE_PX), GRID_WIDTH - 1)
        spread = max((ymax - ymin + xmax - xmin) / 2 / STRIDE_PX / 6, 0.6)
        distance2 = (rows - row) ** 2 + (columns - column) ** 2
        bump = np.exp(-distance2 / (2 * spread**2)).astype(np.float32)
        heat[..., shape.kind] = np.maximum(heat[..., shape.kind], bump)
        near = distance2 <= _NEAR_CELLS**2
        y = (rows[near] + 0.5) * STRIDE_PX
        x = (columns[near] + 0.5) * STRIDE_PX
        sides = np.stack([y - ymin, x - xmin, ymax - y, xmax - x], axis=-1)
        distances[near] = sides / BOX_UNIT_PX
        mask[near] = 1
    return heat, distances, mask


def loss(answer: Any, heat: Any, distances: Any, mask: Any) -> Any:
    """Return the focal loss of the heat map plus the masked absolute error of the distances.

    `answer` is a batch of the model's outputs (see `build`), and the other arguments are batches of
    the results of `targets`.
    """
    import tensorflow as tf  # noqa: PLC0415 - as above

    logits, predicted = answer
    probability = tf.clip_by_value(tf.sigmoid(logits), 1e-4, 1 - 1e-4)
    center = tf.cast(heat >= 1.0, tf.float32)
    positive = center * tf.square(1 - probability) * tf.math.log(probability)
    negative = (
        (1 - center) * tf.pow(1 - heat, 4.0) * tf.square(probability) * tf.math.log(1 - probability)
    )
    count = tf.maximum(tf.reduce_sum(center), 1.0)
    focal = -(tf.reduce_sum(positive) + tf.reduce_sum(negative)) / count
    box = tf.reduce_sum(tf.abs(predicted - distances) * mask) / tf.maximum(
        tf.reduce_sum(mask) * 4, 1.0
    )
    return focal + _BOX_LOSS_WEIGHT * box


def detect(image_tensor: Any, model: Any) -> dict[str, Any]:
    """Build the graph from an image to detections, with the outputs of the Object Detection API.

    Args:
        image_tensor: uint8 [1, 96, 128, 3], RGB.
        model: the Keras model of `build`.

    Returns:
        `num_detections` [1], `detection_boxes` [1, N, 4] (ymin, xmin, ymax, xmax, each 0..1),
        `detection_scores` [1, N] in descending order, `detection_classes` [1, N] (ids from 1);
        all float32.
    """
    import tensorflow as tf  # noqa: PLC0415 - as above

    pixels = tf.cast(image_tensor, tf.float32) * (2.0 / 255.0) - 1.0
    logits, distances = model(pixels, training=False)
    scores = tf.sigmoid(logits)
    # A peak is a cell whose highest score over all labels is not exceeded by any neighbor. Each
    # peak represents one object.
    best = tf.reduce_max(scores, axis=-1, keepdims=True)
    highest = tf.nn.max_pool2d(best, 3, 1, "SAME")
    peaks = tf.where(tf.logical_and(scores >= highest, scores >= best), scores, 0.0)
    flat = tf.reshape(peaks, [1, GRID_HEIGHT * GRID_WIDTH * len(LABELS)])
    top_scores, top = tf.math.top_k(flat, MOST_DETECTIONS)
    cell = top // len(LABELS)
    sides = tf.gather(tf.reshape(distances, [GRID_HEIGHT * GRID_WIDTH, 4]), cell[0]) * BOX_UNIT_PX
    y = (tf.cast(cell[0] // GRID_WIDTH, tf.float32) + 0.5) * STRIDE_PX
    x = (tf.cast(cell[0] % GRID_WIDTH, tf.float32) + 0.5) * STRIDE_PX
    boxes = tf.stack(
        [
            (y - sides[:, 0]) / HEIGHT_PX,
            (x - sides[:, 1]) / WIDTH_PX,
            (y + sides[:, 2]) / HEIGHT_PX,
            (x + sides[:, 3]) / WIDTH_PX,
        ],
        axis=-1,
    )
    return {
        "num_detections": tf.reshape(
            tf.reduce_sum(tf.cast(top_scores > 0, tf.float32), axis=-1), [1]
        ),
        "detection_boxes": tf.clip_by_value(boxes, 0.0, 1.0)[tf.newaxis],
        "detection_scores": top_scores,
        "detection_classes": tf.cast(top % len(LABELS) + 1, tf.float32),
    }
