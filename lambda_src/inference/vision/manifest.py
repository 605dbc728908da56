"""manifest.json: what an artifact says of itself, so that the camera need not be told."""

import json
import re
from dataclasses import dataclass
from typing import Any, Self

from vision.errors import ManifestError

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1
TASKS = ("object-detection",)
DETECTION_OUTPUTS = (
    "num_detections",
    "detection_boxes",
    "detection_scores",
    "detection_classes",
)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_CHANNELS = 3


@dataclass(frozen=True)
class InputSpec:
    """The picture that the graph takes: one, uint8 or float32, NHWC."""

    name: str
    dtype: str
    width_px: int
    height_px: int
    channel_order: str
    # Applied to float32 inputs only: (value - mean) * scale, per channel.
    mean: tuple[float, float, float]
    scale: float


@dataclass(frozen=True)
class Manifest:
    """A manifest that was checked."""

    name: str
    version: str
    task: str
    graph: str
    labels: str
    input: InputSpec
    threshold: float
    # SHA-256 (hex) of each file beside the manifest.
    files: dict[str, str]

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read and check a manifest.

        Raises:
            ManifestError: names the key, what was given and what would work.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ManifestError(f"{MANIFEST_NAME} is not JSON: {error}") from None
        read = _Reader(document)
        version = read.value("schema_version", int)
        if version != SCHEMA_VERSION:
            raise ManifestError(
                f"schema_version: given {version}, this software reads {SCHEMA_VERSION}"
            )
        outputs = read.value("outputs", dict)
        missing = [name for name in DETECTION_OUTPUTS if name not in outputs]
        if missing:
            raise ManifestError(f"outputs: {', '.join(missing)} missing")
        files = {
            name: _Reader(entry, f"files.{name}").text("sha256", _DIGEST)
            for name, entry in read.value("files", dict).items()
        }
        manifest = cls(
            name=read.text("name", _NAME),
            version=read.text("version", _VERSION),
            task=read.one_of("task", TASKS),
            graph=read.text("graph", _FILE_NAME),
            labels=read.text("labels", _FILE_NAME),
            input=_input_spec(_Reader(read.value("input", dict), "input")),
            threshold=read.number("threshold", 0.0, 1.0),
            files=files,
        )
        for name in (manifest.graph, manifest.labels):
            if name not in files:
                raise ManifestError(f"files: no digest of {name}")
        return manifest


def _input_spec(read: "_Reader") -> InputSpec:
    dtype = read.one_of("dtype", ("uint8", "float32"))
    read.one_of("layout", ("NHWC",))
    width_px, height_px = read.count("width_px"), read.count("height_px")
    shape = read.value("shape", list)
    if shape != [1, height_px, width_px, _CHANNELS]:
        raise ManifestError(
            f"input.shape: given {shape}, width and height say {[1, height_px, width_px, 3]}"
        )
    mean = read.value("mean", list)
    if len(mean) != _CHANNELS or not all(isinstance(value, int | float) for value in mean):
        raise ManifestError(f"input.mean: given {mean}, expected three numbers")
    return InputSpec(
        name=read.text("name", re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")),
        dtype=dtype,
        width_px=width_px,
        height_px=height_px,
        channel_order=read.one_of("channel_order", ("RGB", "BGR")),
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        scale=read.number("scale", 0.0, float("inf")),
    )


class _Reader:
    """Takes values out of a JSON object, or says what is wrong with them."""

    def __init__(self, document: Any, where: str = "") -> None:
        if not isinstance(document, dict):
            raise ManifestError(f"{where or MANIFEST_NAME}: expected an object")
        self._document = document
        self._prefix = f"{where}." if where else ""

    def value(self, key: str, kind: type) -> Any:
        if key not in self._document:
            raise ManifestError(f"{self._prefix}{key}: missing")
        value = self._document[key]
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ManifestError(f"{self._prefix}{key}: given {value!r}, expected {kind.__name__}")
        return value

    def text(self, key: str, pattern: re.Pattern[str]) -> str:
        value = str(self.value(key, str))
        if not pattern.fullmatch(value):
            raise ManifestError(
                f"{self._prefix}{key}: given {value[:80]!r}, expected {pattern.pattern}"
            )
        return value

    def one_of(self, key: str, choices: tuple[str, ...]) -> str:
        value = str(self.value(key, str))
        if value not in choices:
            raise ManifestError(
                f"{self._prefix}{key}: given {value[:80]!r}, expected {' or '.join(choices)}"
            )
        return value

    def number(self, key: str, least: float, most: float) -> float:
        value = self._document.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ManifestError(f"{self._prefix}{key}: given {value!r}, expected a number")
        if not least <= value <= most:
            raise ManifestError(f"{self._prefix}{key}: given {value}, expected {least} to {most}")
        return float(value)

    def count(self, key: str) -> int:
        value = int(self.value(key, int))
        if not 1 <= value <= 1 << 14:
            raise ManifestError(f"{self._prefix}{key}: given {value}, expected 1 to {1 << 14}")
        return value
