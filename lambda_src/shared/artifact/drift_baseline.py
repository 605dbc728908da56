"""The drift baseline of a model: histograms of normal frames, and a distance to other frames.

`model_tools` measures a baseline on verification images and writes it to the manifest. A camera
measures its frames in the same way. A baseline describes four features of each frame:

| feature | value of a frame | unit |
|---|---|---|
| brightness | mean luma | 0 to 255 |
| sharpness | mean luma step between neighbours, over the luma's standard deviation | none |
| score | the best score; 0 without detections | 0 to 1 |
| labels | equal shares of the labels with at least the manifest's threshold, or none | shares |

Luma follows ITU-R 601. The image is first reduced to `SIDES_PX`, which makes images of different
sizes comparable. Sharpness is relative to contrast; otherwise dark images would count as blurred.

The distance is the Jensen-Shannon distance, the square root of the divergence in bits: 0 for equal
shares, 1 for shares without a common bin. It is a metric, and remains finite if a bin is empty.
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
# With fewer frames, the shares are mostly random.
LEAST_FRAMES = 50
SIDES_PX = (128, 96)

BRIGHTNESS_EDGES = (32.0, 64.0, 96.0, 128.0, 160.0, 192.0, 224.0)
SHARPNESS_EDGES = (0.02, 0.04, 0.08, 0.12, 0.16, 0.24, 0.32, 0.48, 0.64)
SCORE_EDGES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)

# Less frequent labels occur in too few frames, so their shares are mostly random.
_MOST_LABELS = 8
_DIGITS = 4
# Each pixel of the reduced image averages at least this number of pixels in each direction.
_PIXELS_EACH = 3
_LEAST_CONTRAST = 1.0
_LEAST_SHARE = 1e-12

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Baseline:
    """Shares of frames by feature and bin, for comparison with a camera's frames.

    Bin i of a numeric feature begins at edge i - 1 and ends before edge i. The feature `labels` has
    a bin for each listed label, then a bin for other labels, then a bin for frames without a label.
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
        """Measure images (uint8 [height, width, 3], RGB) and their detections.

        Raises:
            ValueError: there are fewer than `LEAST_FRAMES` images.
        """
        measured = [(brightness_and_sharpness(image), detections) for image, detections in frames]
        if len(measured) < LEAST_FRAMES:
            raise ValueError(
                f"a baseline of {len(measured)} images is mostly random: "
                f"expected {LEAST_FRAMES} or more images"
            )
        totals: dict[str, float] = {}
        for _, detections in measured:
            for label, share in _label_shares(detections, threshold).items():
                totals[label] = totals.get(label, 0.0) + share
        empty = cls(
            frames=len(measured),
            threshold=threshold,
            edges={
                "brightness": BRIGHTNESS_EDGES,
                "sharpness": SHARPNESS_EDGES,
                "score": SCORE_EDGES,
            },
            labels=tuple(sorted(totals, key=lambda label: (-totals[label], label))[:_MOST_LABELS]),
            shares={},
        )
        frame_shares = [empty.place(metrics, detections) for metrics, detections in measured]
        shares = {
            name: np.mean([frame[name] for frame in frame_shares], axis=0) for name in FEATURES
        }
        return cls(empty.frames, threshold, empty.edges, empty.labels, shares)

    @classmethod
    def from_manifest(cls, document: dict[str, Any]) -> Self:
        """Read the manifest's section `baseline`, which was checked against the schema.

        Raises:
            ManifestError: edges do not ascend, or the number or the sum of shares is not valid.
        """
        edges = {name: tuple(document[name]["edges"]) for name in FEATURES if name != "labels"}
        labels = tuple(document["labels"]["names"])
        bins = {name: len(limits) + 1 for name, limits in edges.items()}
        bins["labels"] = len(labels) + 2
        for name, limits in edges.items():
            if not all(low < high for low, high in pairwise(limits)):
                raise ManifestError(
                    f"baseline.{name}.edges: given {[*limits]}, expected ascending edges"
                )
        shares = {name: np.array(document[name]["shares"], np.float64) for name in FEATURES}
        for name, values in shares.items():
            if len(values) != bins[name]:
                raise ManifestError(
                    f"baseline.{name}.shares: given {len(values)} shares, "
                    f"expected {bins[name]}, one per bin"
                )
            if not 0 < values.sum() < np.inf:
                raise ManifestError(
                    f"baseline.{name}.shares: given the sum {values.sum()}, expected 1"
                )
        return cls(
            frames=document["frames"],
            threshold=float(document["threshold"]),
            edges=edges,
            labels=labels,
            shares={name: values / values.sum() for name, values in shares.items()},
        )

    def as_manifest(self) -> dict[str, Any]:
        """Return the manifest's section `baseline`."""
        document: dict[str, Any] = {"frames": self.frames, "threshold": self.threshold}
        for name in FEATURES:
            shares = [round(float(share), _DIGITS) for share in self.shares[name]]
            document[name] = {"edges": [*self.edges[name]]} if name in self.edges else {}
            document[name] |= {"shares": shares}
        document["labels"]["names"] = [*self.labels]
        return document

    def place(
        self, metrics: tuple[float, float], detections: Sequence[Detection]
    ) -> dict[str, Values]:
        """Return a frame's share in each bin, by feature; the shares of a feature add up to 1.

        Args:
            metrics: the result of `brightness_and_sharpness` for the frame.
            detections: the model's detections in the frame.
        """
        score = max((detection.score for detection in detections), default=0.0)
        values = dict(zip(("brightness", "sharpness", "score"), (*metrics, score), strict=True))
        shares = {}
        for name, value in values.items():
            shares[name] = np.zeros(len(self.edges[name]) + 1)
            shares[name][bisect_right(self.edges[name], value)] = 1.0
        other, without_label = len(self.labels), len(self.labels) + 1
        labels = np.zeros(len(self.labels) + 2)
        by_label = _label_shares(detections, self.threshold)
        for label, share in by_label.items():
            labels[self.labels.index(label) if label in self.labels else other] += share
        labels[without_label] = 0.0 if by_label else 1.0
        return shares | {"labels": labels}


def brightness_and_sharpness(image: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Return brightness (0 to 255) and sharpness of an image (uint8 [height, width, 3], RGB)."""
    height_px, width_px = image.shape[:2]
    reduced_width_px, reduced_height_px = SIDES_PX
    ratio = min(width_px // reduced_width_px, height_px // reduced_height_px)
    step_px = max(1, ratio // _PIXELS_EACH)
    reduced = Image.fromarray(image[::step_px, ::step_px]).resize(SIDES_PX, Image.Resampling.BOX)
    luma = np.asarray(reduced.convert("L")).astype(np.int16)
    down, across = np.abs(np.diff(luma, axis=0)), np.abs(np.diff(luma, axis=1))
    step = (float(down.mean()) + float(across.mean())) / 2
    return float(luma.mean()), step / max(float(luma.std()), _LEAST_CONTRAST)


def distance(first: Values, second: Values) -> float:
    """Return the Jensen-Shannon distance (0 to 1) of two arrays of shares, each with the sum 1."""
    middle = (first + second) / 2
    divergence = (_bits_from(first, middle) + _bits_from(second, middle)) / 2
    return float(np.sqrt(min(max(divergence, 0.0), 1.0)))


def _bits_from(shares: Values, middle: Values) -> float:
    """Return the Kullback-Leibler divergence of `shares` from `middle`, in bits."""
    positive = shares > _LEAST_SHARE
    return float(np.sum(shares[positive] * np.log2(shares[positive] / middle[positive])))


def _label_shares(detections: Sequence[Detection], threshold: float) -> dict[str, float]:
    labels = [detection.label for detection in detections if detection.score >= threshold]
    return {label: labels.count(label) / len(labels) for label in labels}
