"""From nothing to a packaged shapes detector, cached by what went into it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_tools.describe import ModelDescription
from model_tools.native_output import load_tensorflow
from model_tools.package import ARTIFACT_NAME, package
from model_tools.progress import Progress
from model_tools.tool_versions import tool_versions
from shared.artifact.baseline import Baseline
from shared.artifact.manifest import OBJECT_DETECTION, InputSpec, OutputSpec
from shared.vision import answers
from shared.vision.preprocessing import prepare
from shared.vision.runtimes import Arrays

MODEL_NAME = "shapes"
DEFAULT_STEPS = 790
THRESHOLD = 0.5

_INPUT = "image_tensor"
_PARITY_PICTURES = 8
_BASELINE_PICTURES = 200
_TRAINING_SOURCES = (
    "reproducible_training.py",
    "shapes/drawing.py",
    "shapes/network.py",
    "shapes/training.py",
)
_SOURCES = (
    "reproducible_training.py",
    "shapes/*.py",
    "freezing/*.py",
    "graphs/*.py",
    "sources/*.py",
    "describe.py",
    "package.py",
    "../lambda_src/shared/artifact/baseline.py",
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
    progress: Progress,
) -> Built:
    """Train, evaluate, freeze, check and package; or return what the same inputs gave before.

    Raises:
        FreezeError: the frozen graph does not answer as the trained model does.
    """
    entry = cache / _key(_SOURCES, seed, steps, version) / "result.json"
    if not force and entry.is_file():
        known = Built(**json.loads(entry.read_text(encoding="utf-8")))
        if (models / known.name / known.digest / ARTIFACT_NAME).is_file():
            return known
    progress.phase("loading TensorFlow")
    load_tensorflow()
    model = _trained(cache, seed, steps, progress, force=force)
    built = _build(model, models, seed, steps, version, progress)
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_text(json.dumps({**asdict(built), "from_cache": True}), encoding="utf-8")
    return built


def _trained(cache: Path, seed: int, steps: int, progress: Progress, *, force: bool) -> Any:
    """Train, or load the weights that the same inputs gave before; packaging may have changed."""
    from model_tools.shapes import network, training  # noqa: PLC0415 - TensorFlow follows

    file = cache / f"{_key(_TRAINING_SOURCES, seed, steps)}.weights.h5"
    if file.is_file() and not force:
        model = network.build()
        model.load_weights(file)
        return model
    progress.phase("training", steps)
    model = training.train(seed, steps, progress.step)
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"unfinished-{file.name}")
    model.save_weights(unfinished)
    unfinished.replace(file)
    return model


def _build(  # noqa: PLR0913, PLR0917 - as build_shapes
    model: Any, models: Path, seed: int, steps: int, version: str, progress: Progress
) -> Built:
    import tensorflow as tf  # noqa: PLC0415 - takes seconds to import

    from model_tools.freezing.freeze import FreezeOptions, freeze  # noqa: PLC0415 - as above
    from model_tools.freezing.parity import graph_runner  # noqa: PLC0415 - as above
    from model_tools.protos import message_class  # noqa: PLC0415 - as above
    from model_tools.shapes import network, training  # noqa: PLC0415 - as above
    from model_tools.shapes.drawing import LABELS, draw_picture  # noqa: PLC0415 - as above
    from model_tools.sources.functions import from_function  # noqa: PLC0415 - as above

    def detect(image_tensor: Any) -> dict[str, Any]:
        return network.detect(image_tensor, model)

    progress.phase("freezing, and comparing with the trained model")
    shape = [1, network.HEIGHT_PX, network.WIDTH_PX, 3]
    loaded = from_function(detect, [tf.TensorSpec(shape, tf.uint8, name=_INPUT)])
    random = np.random.default_rng([seed, 3])
    pictures = tuple(
        {_INPUT: draw_picture(random, network.WIDTH_PX, network.HEIGHT_PX)[0][np.newaxis]}
        for _ in range(_PARITY_PICTURES)
    )
    frozen = freeze(loaded, FreezeOptions(samples=pictures))
    run = graph_runner(
        message_class("GraphDef").FromString(frozen.graph), frozen.inputs, frozen.outputs
    )
    progress.phase("evaluating on unseen images")
    quality = training.evaluate(
        lambda picture: run({_INPUT: picture}), seed=seed, threshold=THRESHOLD
    )
    labels = dict(enumerate(LABELS, start=1))
    progress.phase("measuring the baseline of normal input")
    baseline = _baseline(run, labels, seed)
    progress.phase("packaging")
    description = ModelDescription(
        name=MODEL_NAME,
        version=version,
        task=OBJECT_DETECTION,
        input=_input_spec(),
        outputs=_output_specs(),
        threshold=THRESHOLD,
        parity=frozen.parity.as_dict(),
        baseline=baseline,
        provenance={
            "tool_versions": tool_versions(),
            "training": {"seed": seed, "steps": steps, **quality.as_dict()},
        },
    )
    packaged = package(models, description, frozen.graph, labels)
    return Built(
        name=MODEL_NAME,
        version=version,
        digest=packaged.digest,
        precision=quality.precision,
        recall=quality.recall,
        largest_difference=frozen.parity.largest_relative,
        from_cache=False,
    )


def _baseline(run: Callable[[Arrays], Arrays], labels: dict[int, str], seed: int) -> Baseline:
    """Measure scenes as virtual cameras see them; not those that they see, nor training's."""
    from model_tools.shapes.drawing import draw_picture  # noqa: PLC0415 - as above
    from model_tools.shapes.scenes import HEIGHT_PX, WIDTH_PX  # noqa: PLC0415 - as above

    random, spec = np.random.default_rng([seed, 4]), _input_spec()
    scenes = (draw_picture(random, WIDTH_PX, HEIGHT_PX)[0] for _ in range(_BASELINE_PICTURES))
    looked_at = (
        (scene, answers.detections(run({_INPUT: prepare(scene, spec)}), labels)) for scene in scenes
    )
    return Baseline.measured(looked_at, THRESHOLD)


def _input_spec() -> InputSpec:
    from model_tools.shapes import network  # noqa: PLC0415 - as above

    return InputSpec(
        name=f"{_INPUT}:0",
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


def _key(patterns: tuple[str, ...], *arguments: object) -> str:
    """A digest of all that decides a result: sources, arguments, libraries."""
    digest = hashlib.sha256(json.dumps([arguments, tool_versions()]).encode())
    here = Path(__file__).resolve().parent.parent
    for source in sorted(file for pattern in patterns for file in here.glob(pattern)):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:32]
