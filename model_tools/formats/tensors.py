"""Inputs and outputs of a model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TensorSpec:
    """A tensor of a graph: `name` such as `image:0`, a NumPy dtype's name, and its shape."""

    name: str
    dtype: str
    # None: of any rank. A side that is None is decided when the graph runs.
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name} {self.dtype} of any shape"
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} {self.dtype} [{sides}]"


@dataclass(frozen=True)
class LoadedModel:
    """A model whose variables became constants, beside itself as it came."""

    # A GraphDef: what the outputs need, from the inputs on.
    graph: Any
    # By alias: a signature's key, or the node's own name.
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    # The model as it came, from arrays by alias to arrays by alias.
    run: Callable[[Arrays], Arrays]


def sample_inputs(inputs: dict[str, TensorSpec], seed: int, side_px: int = 64) -> Arrays:
    """Return random arrays that the inputs take; a side that is open is 1, in pictures `side_px`.

    Integers are drawn from 0 to 255, floats from [-1, 1).
    """
    random = np.random.default_rng(seed)
    return {alias: _sample(spec, random, side_px) for alias, spec in inputs.items()}


def _sample(spec: TensorSpec, random: np.random.Generator, side_px: int) -> npt.NDArray[Any]:
    picture_rank = 4
    sides = spec.shape or (1,)
    shape = [
        side or (side_px if len(sides) == picture_rank and axis > 0 else 1)
        for axis, side in enumerate(sides)
    ]
    kind = np.dtype(spec.dtype)
    if kind == np.bool_:
        return np.zeros(shape, np.bool_)
    if np.issubdtype(kind, np.integer):
        return random.integers(0, 256, shape).astype(kind)
    if kind.kind in "OSU":
        return np.full(shape, b"", object)
    return random.uniform(-1, 1, shape).astype(kind)
