"""What a model sees when all is well, as histograms, and how far from it something else is.

`model_tools` measures a baseline on verification pictures and puts it into the manifest; a camera
measures its own frames in the same way. Four features, one value a frame:

| feature | of a frame | unit |
|---|---|---|
| brightness | mean luma | 0 to 255 |
| sharpness | mean luma step between neighbours, over the luma's standard deviation | none |
| score | the best score; 0 where nothing was found | 0 to 1 |
| labels | the labels found from the manifest's threshold on, in equal parts; or nothing | shares |

Luma is ITU-R 601's, of the picture reduced to `SIDES_PX`: pictures of any size compare, and so
does what a model sees of them. Sharpness is relative, so that night is not taken for blur.

A distance is Jensen-Shannon's, the square root of the divergence in bits: 0 for the same shares, 1
for shares that have nothing in common; a metric, and finite where a bin is empty.
Source: D. M. Endres and J. E. Schindelin, "A new metric for probability distributions", IEEE
Transactions on Information Theory 49 (2003).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.artifact.errors import ManifestError
from shared.vision.detections import Detection

FEATURES = ("brightness", "sharpness", "score", "labels")
# Frames below which shares are mostly chance.
LEAST_FRAMES = 50
SIDES_PX = (128, 96)

BRIGHTNESS_EDGES = (32.0, 64.0, 96.0, 128.0, 160.0, 192.0, 224.0)
SHARPNESS_EDGES = (0.02, 0.04, 0.08, 0.12, 0.16, 0.24, 0.32, 0.48, 0.64)
SCORE_EDGES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)

# Beyond the most frequent labels, shares are chance as well.
_MOST_LABELS = 8
_DIGITS = 4
# Pixels that are looked at for each that is left, across and down, at least.
_PIXELS_EACH = 3
_LEAST_CONTRAST = 1.0
_LEAST_SHARE = 1e-12

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """Shares of frames by feature and bin; a camera's frames fall into the same bins.

    Bin i of a number is from edge i - 1 up to edge i, which belongs to the next one. Bins of labels
    are `labels`, then every other label, then nothing at all.
    """

    frames: int
    threshold: float
    edges: dict[str, tuple[float, ...]]
    labels: tuple[str, ...]
    shares: dict[str, Values]

    @classmethod
    def measured(
        cls, frames: Iterable[tuple[npt.NDArray[np.uint8], Sequence[Detection]]], threshold: float
    ) -> Self:
        """Measure pictures (uint8 [height, width, 3], RGB) with what was found on them.

        Raises:
            ValueError: fewer than `LEAST_FRAMES`.
        """
        looked = [(brightness_and_sharpness(picture), found) for picture, found in frames]
        if len(looked) < LEAST_FRAMES:
            raise ValueError(
                f"a baseline of {len(looked)} pictures is mostly chance; "
                f"give {LEAST_FRAMES} or more"
            )
        seen: dict[str, float] = {}
        for _, found in looked:
            for label, share in _label_shares(found, threshold).items():
                seen[label] = seen.get(label, 0.0) + share
        empty = cls(
            frames=len(looked),
            threshold=threshold,
            edges={
                "brightness": BRIGHTNESS_EDGES,
                "sharpness": SHARPNESS_EDGES,
                "score": SCORE_EDGES,
            },
            labels=tuple(sorted(seen, key=lambda label: (-seen[label], label))[:_MOST_LABELS]),
            shares={},
        )
        placed = [empty.place(measures, found) for measures, found in looked]
        shares = {name: np.mean([one[name] for one in placed], axis=0) for name in FEATURES}
        return cls(empty.frames, threshold, empty.edges, empty.labels, shares)

    @classmethod
    def from_manifest(cls, document: dict[str, Any]) -> Self:
        """Read the manifest's `baseline`, whose form was checked.

        Raises:
            ManifestError: edges do not ascend, or shares do not fit their bins or have no sum.
        """
        edges = {name: tuple(document[name]["edges"]) for name in FEATURES if name != "labels"}
        labels = tuple(document["labels"]["names"])
        bins = {name: len(some) + 1 for name, some in edges.items()} | {"labels": len(labels) + 2}
        for name, some in edges.items():
            if not all(low < high for low, high in pairwise(some)):
                raise ManifestError(f"baseline.{name}.edges: given {[*some]}; edges ascend")
        shares = {name: np.array(document[name]["shares"], np.float64) for name in FEATURES}
        for name, one in shares.items():
            if len(one) != bins[name]:
                raise ManifestError(
                    f"baseline.{name}.shares: given {len(one)}, there are {bins[name]} bins"
                )
            if not 0 < one.sum() < np.inf:
                raise ManifestError(
                    f"baseline.{name}.shares: given the sum {one.sum()}, expected 1"
                )
        return cls(
            frames=document["frames"],
            threshold=float(document["threshold"]),
            edges=edges,
            labels=labels,
            shares={name: one / one.sum() for name, one in shares.items()},
        )

    def as_manifest(self) -> dict[str, Any]:
        """Return the manifest's `baseline`."""
        document: dict[str, Any] = {"frames": self.frames, "threshold": self.threshold}
        for name in FEATURES:
            shares = [round(float(share), _DIGITS) for share in self.shares[name]]
            document[name] = {"edges": [*self.edges[name]]} if name in self.edges else {}
            document[name] |= {"shares": shares}
        document["labels"]["names"] = [*self.labels]
        return document

    def place(self, measures: tuple[float, float], found: Sequence[Detection]) -> dict[str, Values]:
        """Return one frame's shares of each feature's bins; each feature's sum is 1.

        Args:
            measures: the picture's `brightness_and_sharpness`.
            found: what the model found on it.
        """
        score = max((one.score for one in found), default=0.0)
        values = dict(zip(("brightness", "sharpness", "score"), (*measures, score), strict=True))
        placed = {}
        for name, value in values.items():
            placed[name] = np.zeros(len(self.edges[name]) + 1)
            placed[name][bisect_right(self.edges[name], value)] = 1.0
        other, nothing = len(self.labels), len(self.labels) + 1
        labels = np.zeros(len(self.labels) + 2)
        by_label = _label_shares(found, self.threshold)
        for label, share in by_label.items():
            labels[self.labels.index(label) if label in self.labels else other] += share
        labels[nothing] = 0.0 if by_label else 1.0
        return placed | {"labels": labels}


def brightness_and_sharpness(picture: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Return both measures of a picture, uint8 [height, width, 3], RGB."""
    height_px, width_px = picture.shape[:2]
    width_wanted_px, height_wanted_px = SIDES_PX
    spare = min(width_px // width_wanted_px, height_px // height_wanted_px)
    step_px = max(1, spare // _PIXELS_EACH)
    image = Image.fromarray(picture[::step_px, ::step_px]).resize(SIDES_PX, Image.Resampling.BOX)
    luma = np.asarray(image.convert("L")).astype(np.int16)
    down, across = np.abs(np.diff(luma, axis=0)), np.abs(np.diff(luma, axis=1))
    step = (float(down.mean()) + float(across.mean())) / 2
    return float(luma.mean()), step / max(float(luma.std()), _LEAST_CONTRAST)


def distance(first: Values, second: Values) -> float:
    """Return the Jensen-Shannon distance of two rows of shares, each with the sum 1: 0 to 1."""
    middle = (first + second) / 2
    divergence = (_bits_from(first, middle) + _bits_from(second, middle)) / 2
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def _bits_from(shares: Values, middle: Values) -> float:
    """Kullback-Leibler divergence in bits."""
    there = shares > _LEAST_SHARE
    return float(np.sum(shares[there] * np.log2(shares[there] / middle[there])))


def _label_shares(found: Sequence[Detection], threshold: float) -> dict[str, float]:
    labels = [one.label for one in found if one.score >= threshold]
    return {label: labels.count(label) / len(labels) for label in labels}
