"""Compare a model's results on a GPU with its results on the CPU, once after loading.

A driver may compile a model without an error and return wrong results. CPU and GPU compute in
float32 in a different order, so correct results differ only in the last digits.
"""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import InputSpec
from shared.vision.preprocessing import prepare
from shared.vision.runtime import Arrays, Runtime

logger = logging.getLogger(__name__)

# The absolute tolerance has the unit of the values: a score, a logit, or a share of the image.
RELATIVE_TOLERANCE = 0.01
ABSOLUTE_TOLERANCE = 0.01

_SIDE_PX = 300
# In characters; limited because each heartbeat contains the reason.
_LONGEST_REASON = 300


def self_test(
    runtime: Runtime, open_on_cpu: Callable[[], Runtime], spec: InputSpec, compared: Sequence[str]
) -> tuple[Runtime, str | None]:
    """Return the runtime to use, and the reason of a fallback to the CPU, if any.

    Args:
        runtime: a runtime on another device than the CPU.
        open_on_cpu: opens the same model on the CPU.
        spec: the input of the graph.
        compared: names of the output tensors to compare.
    """
    feed = {spec.name: prepare(_image(spec), spec)}
    reference = open_on_cpu()
    expected = reference.run(feed)
    try:
        reason = _difference(runtime.run(feed), expected, compared)
    except ArtifactError as error:
        reason = str(error)
    if reason is None:
        return runtime, None
    fallback = f"{runtime.device} does not compute what the CPU computes: {reason}"[
        :_LONGEST_REASON
    ]
    logger.warning("runs on the CPU: %s", fallback)
    return reference, fallback


def _difference(actual: Arrays, expected: Arrays, compared: Sequence[str]) -> str | None:
    """Return the first difference above the tolerances; NaN differs from every value."""
    for name in compared:
        values, reference = actual[name], expected[name]
        if values.shape != reference.shape:
            return f"{name} has the shape {list(values.shape)}, expected {list(reference.shape)}"
        if not np.allclose(values, reference, rtol=RELATIVE_TOLERANCE, atol=ABSOLUTE_TOLERANCE):
            largest = np.abs(values.astype(np.float64) - reference).max()
            return f"{name} differs by up to {largest:.3g}, expected at most {ABSOLUTE_TOLERANCE}"
    return None


def _image(spec: InputSpec) -> npt.NDArray[np.uint8]:
    """Return a fixed image in which adjacent pixels, rows and channels differ."""
    height_px, width_px = spec.height_px or _SIDE_PX, spec.width_px or _SIDE_PX
    rows, columns, channels = np.ogrid[:height_px, :width_px, :3]
    return np.asarray((rows * 7 + columns * 13 + channels * 29) % 256, np.uint8)
