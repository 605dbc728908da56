"""Compare the outputs of a frozen graph with those of its source."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from model_tools.errors import FreezeError
from model_tools.formats.tensors import Arrays, TensorSpec

DEFAULT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Parity:
    """The largest differences over all outputs of all samples."""

    largest_absolute: float
    # The largest relative difference: the difference of an output, divided by the output's largest
    # absolute value if that value is above 1.
    largest_relative: float
    samples: int

    def as_dict(self) -> dict[str, Any]:
        """Return the values for a manifest."""
        return asdict(self)


def graph_runner(
    graph: Any, inputs: dict[str, TensorSpec], outputs: dict[str, TensorSpec]
) -> Callable[[Arrays], Arrays]:
    """Return a function that runs a GraphDef with arrays by alias, and returns arrays by alias.

    Raises:
        FreezeError: TensorFlow cannot import the graph.
    """
    imported = tf.Graph()
    try:
        with imported.as_default():
            tf.import_graph_def(graph, name="")
    except ValueError as error:
        raise FreezeError(f"the frozen graph cannot be imported: {str(error)[:300]}") from None
    session = tf.compat.v1.Session(graph=imported)
    fetches = {alias: spec.name for alias, spec in outputs.items()}
    names = {alias: spec.name for alias, spec in inputs.items()}

    def run(arrays: Arrays) -> Arrays:
        try:
            return dict(session.run(fetches, {names[key]: value for key, value in arrays.items()}))
        except (tf.errors.OpError, ValueError) as error:
            raise FreezeError(f"the frozen graph does not run: {str(error)[:300]}") from None

    return run


def measure(
    source: Callable[[Arrays], Arrays],
    frozen: Callable[[Arrays], Arrays],
    samples: Iterable[Arrays],
) -> Parity:
    """Run the source and the frozen graph on every sample, and return the largest differences.

    Raises:
        FreezeError: an output has another shape, or NaN or infinity at other positions.
    """
    absolute = relative = 0.0
    count = 0
    for sample in samples:
        count += 1
        answers = frozen(sample)
        for alias, reference in source(sample).items():
            difference, scale = _difference(alias, reference, answers[alias])
            absolute = max(absolute, difference)
            relative = max(relative, difference / max(1.0, scale))
    return Parity(absolute, relative, count)


def require(parity: Parity, tolerance: float = DEFAULT_TOLERANCE) -> None:
    """Check that the relative difference is within the tolerance.

    Raises:
        FreezeError: the difference is above the tolerance.
    """
    if parity.largest_relative > tolerance:
        raise FreezeError(
            f"the frozen graph differs from its source by {parity.largest_relative:.2g} "
            f"(at most {tolerance:.0e} is accepted); nothing was written"
        )


def _difference(alias: str, reference: Any, answer: Any) -> tuple[float, float]:
    """Return the largest absolute difference, and the largest absolute value of the reference.

    For strings and booleans, the difference is 0 or infinite, and the value is 1.
    """
    reference, answer = np.asarray(reference), np.asarray(answer)
    if reference.shape != answer.shape:
        raise FreezeError(
            f"{alias} has the shape {list(answer.shape)}: expected that of its source, "
            f"{list(reference.shape)}"
        )
    if reference.dtype.kind in "OSUb" or not reference.size:
        return (0.0 if np.array_equal(reference, answer) else float("inf")), 1.0
    first, second = reference.astype(np.float64), answer.astype(np.float64)
    if not np.array_equal(np.isfinite(first), np.isfinite(second)):
        raise FreezeError(f"{alias} and its source differ in the values that are not finite")
    finite = np.isfinite(first)
    if not finite.any():
        return 0.0, 1.0
    return float(np.max(np.abs(first - second)[finite])), float(np.max(np.abs(first[finite])))
