"""Fisher's 150 irises: R. A. Fisher, The use of multiple measurements in taxonomic problems, 1936.

The values of the article, as the language R has them; a few copies elsewhere differ in two rows.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

SPECIES = ("setosa", "versicolor", "virginica")

_FILE = Path(__file__).with_name("iris.csv")
_EVERY = 5


@dataclass(frozen=True)
class Flowers:
    """Measurements, float32 [n, 4] in cm (sepal length, width, petal length, width), and species.

    Species are int64 [n], places in `SPECIES`.
    """

    measurements: npt.NDArray[np.float32]
    species: npt.NDArray[np.int64]


def read_flowers() -> tuple[Flowers, Flowers]:
    """Return 120 flowers to train on and 30 to test on; each species is in both as often."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    measurements = np.array([row[:4] for row in rows], np.float32)
    species = np.array([SPECIES.index(row[4]) for row in rows], np.int64)
    held_out = np.arange(len(rows)) % _EVERY == 0
    return (
        Flowers(measurements[~held_out], species[~held_out]),
        Flowers(measurements[held_out], species[held_out]),
    )
