"""Does a frozen graph answer as its source does?"""

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
    # Of values above 1 the difference counts as a share of the output's largest value.
    largest_relative: float
    samples: int

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as a manifest has them."""
        return asdict(self)


def graph_runner(
    graph: Any, inputs: dict[str, TensorSpec], outputs: dict[str, TensorSpec]
) -> Callable[[Arrays], Arrays]:
    """Return a GraphDef as a function from arrays by alias to arrays by alias.

    Raises:
        FreezeError: TensorFlow cannot import it.
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
    wanted: Callable[[Arrays], Arrays],
    found: Callable[[Arrays], Arrays],
    samples: Iterable[Arrays],
) -> Parity:
    """Run both on every sample; return the largest differences.

    Raises:
        FreezeError: an output has another shape, or is no number where the other is one.
    """
    absolute = relative = 0.0
    count = 0
    for sample in samples:
        count += 1
        answers = found(sample)
        for alias, reference in wanted(sample).items():
            difference, scale = _difference(alias, reference, answers[alias])
            absolute = max(absolute, difference)
            relative = max(relative, difference / max(1.0, scale))
    return Parity(absolute, relative, count)


def require(parity: Parity, tolerance: float = DEFAULT_TOLERANCE) -> None:
    """Raise `FreezeError` if the differences are above what is accepted."""
    if parity.largest_relative > tolerance:
        raise FreezeError(
            f"the frozen graph differs from its source by {parity.largest_relative:.2g} "
            f"(at most {tolerance:.0e} is accepted); nothing was written"
        )


def _difference(alias: str, wanted: Any, found: Any) -> tuple[float, float]:
    wanted, found = np.asarray(wanted), np.asarray(found)
    if wanted.shape != found.shape:
        raise FreezeError(
            f"{alias} has the shape {list(found.shape)}, its source gives {list(wanted.shape)}"
        )
    if wanted.dtype.kind in "OSUb" or not wanted.size:
        return (0.0 if np.array_equal(wanted, found) else float("inf")), 1.0
    first, second = wanted.astype(np.float64), found.astype(np.float64)
    if not np.array_equal(np.isfinite(first), np.isfinite(second)):
        raise FreezeError(f"{alias} is not finite where its source is, or the other way round")
    finite = np.isfinite(first)
    if not finite.any():
        return 0.0, 1.0
    return float(np.max(np.abs(first - second)[finite])), float(np.max(np.abs(first[finite])))
