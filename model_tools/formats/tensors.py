"""Tensors of a model, and the loaded model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class TensorSpec:
    """A tensor of a graph: a name such as `image:0`, the name of a NumPy dtype, and a shape."""

    name: str
    dtype: str
    # The sides of the tensor; a variable side is None. None for an unknown rank.
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name} {self.dtype} of any shape"
        sides = ", ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} {self.dtype} [{sides}]"


@dataclass(frozen=True)
class LoadedModel:
    """A graph whose variables are constants, with the source model for comparisons."""

    # A GraphDef with the nodes between the inputs and the outputs.
    graph: Any
    # Specifications by alias: the key of a signature, the name of a node, or the caller's alias.
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    # A function that runs the source model; its argument and its result are arrays by alias.
    run: Callable[[Arrays], Arrays]


def sample_inputs(inputs: dict[str, TensorSpec], seed: int, side_px: int = 64) -> Arrays:
    """Return random arrays for the inputs; an unknown side is 1, or `side_px` in images.

    Integers are uniform from 0 to 255, floats are uniform in [-1, 1). Booleans are false, and
    strings are empty. An image is an array of rank 4, whose batch size is 1 if unknown.
    """
    random = np.random.default_rng(seed)
    return {alias: _sample(spec, random, side_px) for alias, spec in inputs.items()}


def _sample(spec: TensorSpec, random: np.random.Generator, side_px: int) -> npt.NDArray[Any]:
    image_rank = 4
    sides = spec.shape or (1,)
    shape = [
        side or (side_px if len(sides) == image_rank and axis > 0 else 1)
        for axis, side in enumerate(sides)
    ]
    dtype = np.dtype(spec.dtype)
    if dtype == np.bool_:
        return np.zeros(shape, np.bool_)
    if np.issubdtype(dtype, np.integer):
        return random.integers(0, 256, shape).astype(dtype)
    if dtype.kind in "OSU":
        return np.full(shape, b"", object)
    return random.uniform(-1, 1, shape).astype(dtype)
