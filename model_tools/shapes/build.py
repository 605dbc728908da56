"""From nothing to a packaged shapes detector, cached by what went into it."""

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np

from model_tools.describe import ModelDescription
from model_tools.package import ARTIFACT_NAME, package
from vision.manifest import OBJECT_DETECTION, InputSpec, OutputSpec

MODEL_NAME = "shapes"
DEFAULT_STEPS = 790
THRESHOLD = 0.5

_PARITY_PICTURES = 8
_SOURCES = (
    "shapes/drawing.py",
    "shapes/network.py",
    "shapes/training.py",
    "describe.py",
    "freeze.py",
    "package.py",
)


@dataclass(frozen=True)
class Built:
    """A packaged model and its quality on unseen pictures."""

    name: str
    version: str
    digest: str
    precision: float
    recall: float
    largest_difference: float
    from_cache: bool


def build_shapes(  # noqa: PLR0913 - each is a choice of the caller's
    *,
    models: Path,
    cache: Path,
    seed: int,
    steps: int,
    version: str,
    force: bool,
    progress: Callable[[int, float], None],
) -> Built:
    """Train, evaluate, freeze, check and package; or return what the same inputs gave before.

    Raises:
        FreezeError: the frozen graph does not answer as the trained model does.
    """
    entry = cache / _key(seed, steps, version) / "result.json"
    if not force and entry.is_file():
        known = Built(**json.loads(entry.read_text(encoding="utf-8")))
        if (models / known.name / known.digest / ARTIFACT_NAME).is_file():
            return known
    built = _build(models, seed, steps, version, progress)
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_text(json.dumps({**asdict(built), "from_cache": True}), encoding="utf-8")
    return built


def _build(
    models: Path, seed: int, steps: int, version: str, progress: Callable[[int, float], None]
) -> Built:
    from model_tools import freeze  # noqa: PLC0415 - imports nothing slow, but next to its use
    from model_tools.shapes import network, training  # noqa: PLC0415 - TensorFlow follows
    from model_tools.shapes.drawing import LABELS, draw_picture  # noqa: PLC0415

    model = training.train(seed, steps, progress)

    def detect(picture: Any) -> dict[str, Any]:
        return network.detect(picture, model)

    graph = freeze.freeze_detector(detect, network.HEIGHT_PX, network.WIDTH_PX)
    random = np.random.default_rng([seed, 3])
    pictures = [
        draw_picture(random, network.WIDTH_PX, network.HEIGHT_PX)[0][np.newaxis]
        for _ in range(_PARITY_PICTURES)
    ]
    difference = freeze.check_parity(graph, detect, pictures)
    quality = training.evaluate(freeze.frozen_function(graph), seed=seed, threshold=THRESHOLD)
    labels = dict(enumerate(LABELS, start=1))
    description = ModelDescription(
        name=MODEL_NAME,
        version=version,
        task=OBJECT_DETECTION,
        input=_input_spec(),
        outputs=_output_specs(),
        threshold=THRESHOLD,
        parity={"largest_absolute": difference, "pictures": _PARITY_PICTURES},
        provenance={
            "tool_versions": _tool_versions(),
            "training": {"seed": seed, "steps": steps, **quality.as_dict()},
        },
    )
    packaged = package(models, description, graph, labels)
    return Built(
        name=MODEL_NAME,
        version=version,
        digest=packaged.digest,
        precision=quality.precision,
        recall=quality.recall,
        largest_difference=difference,
        from_cache=False,
    )


def _input_spec() -> InputSpec:
    from model_tools.shapes import network  # noqa: PLC0415 - as above

    return InputSpec(
        name="image_tensor:0",
        dtype="uint8",
        layout="NHWC",
        width_px=network.WIDTH_PX,
        height_px=network.HEIGHT_PX,
        channel_order="RGB",
        resize="bilinear",
        mean=(0, 0, 0),
        scale=(1, 1, 1),
    )


def _output_specs() -> dict[str, OutputSpec]:
    from model_tools.shapes import network  # noqa: PLC0415 - as above

    most = network.MOST_DETECTIONS
    shapes: dict[str, tuple[int, ...]] = {
        "num_detections": (1,),
        "detection_boxes": (1, most, 4),
        "detection_scores": (1, most),
        "detection_classes": (1, most),
    }
    return {role: OutputSpec(f"{role}:0", "float32", shape) for role, shape in shapes.items()}


def _tool_versions() -> dict[str, str]:
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "tensorflow": installed("tensorflow-cpu"),
        "keras": installed("keras"),
        "numpy": installed("numpy"),
    }


def _key(seed: int, steps: int, version: str) -> str:
    """A digest of all that decides the result: sources, arguments, libraries."""
    digest = hashlib.sha256(json.dumps([seed, steps, version, _tool_versions()]).encode())
    for source in _SOURCES:
        digest.update((Path(__file__).resolve().parent.parent / source).read_bytes())
    return digest.hexdigest()[:32]
