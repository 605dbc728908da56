"""Train and package the shapes detector; results are cached by sources, arguments and libraries."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_tools.artifact.archive import ARTIFACT_NAME, package
from model_tools.artifact.manifest_writer import ModelDescription
from model_tools.progress import Progress
from model_tools.tensorflow_setup import load_tensorflow
from model_tools.tool_versions import tool_versions
from shared.artifact.drift_baseline import Baseline
from shared.artifact.manifest import OBJECT_DETECTION, InputSpec, OutputSpec
from shared.vision import postprocessing
from shared.vision.preprocessing import prepare
from shared.vision.runtime import Arrays

MODEL_NAME = "shapes"
DEFAULT_STEPS = 790
THRESHOLD = 0.5

_INPUT = "image_tensor"
_PARITY_IMAGES = 8
_BASELINE_IMAGES = 200
_TRAINING_SOURCES = (
    "tensorflow_setup.py",
    "samples/shapes/drawing.py",
    "samples/shapes/network.py",
    "samples/shapes/training.py",
)
_SOURCES = (
    "tensorflow_setup.py",
    "samples/shapes/*.py",
    "freezing/*.py",
    "freezing/passes/*.py",
    "graph/*.py",
    "formats/*.py",
    "artifact/manifest_writer.py",
    "artifact/archive.py",
    "../lambda_src/shared/artifact/drift_baseline.py",
)


@dataclass(frozen=True)
class Built:
    """A packaged model, with its quality on images that were not used for training."""

    name: str
    version: str
    digest: str
    precision: float
    recall: float
    largest_difference: float
    from_cache: bool


def build_shapes(  # noqa: PLR0913 - options of the caller
    *,
    models: Path,
    cache: Path,
    seed: int,
    steps: int,
    version: str,
    force: bool,
    progress: Progress,
) -> Built:
    """Train, evaluate, freeze and package the detector, or return the cached result.

    Raises:
        FreezeError: the outputs of the frozen graph and the trained model differ.
    """
    entry = cache / _key(_SOURCES, seed, steps, version) / "result.json"
    if not force and entry.is_file():
        cached = Built(**json.loads(entry.read_text(encoding="utf-8")))
        if (models / cached.name / cached.digest / ARTIFACT_NAME).is_file():
            return cached
    progress.phase("loading TensorFlow")
    load_tensorflow()
    model = _trained(cache, seed, steps, progress, force=force)
    built = _build(model, models, seed, steps, version, progress)
    entry.parent.mkdir(parents=True, exist_ok=True)
    entry.write_text(json.dumps({**asdict(built), "from_cache": True}), encoding="utf-8")
    return built


def _trained(cache: Path, seed: int, steps: int, progress: Progress, *, force: bool) -> Any:
    """Return the trained model; load its weights from the cache if they exist there.

    Changes of packaging do not require training.
    """
    from model_tools.samples.shapes import network, training  # noqa: PLC0415 - imports TensorFlow

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


def _build(  # noqa: PLR0913, PLR0917 - arguments of build_shapes
    model: Any, models: Path, seed: int, steps: int, version: str, progress: Progress
) -> Built:
    import tensorflow as tf  # noqa: PLC0415 - as above

    from model_tools.formats.tf2 import from_function  # noqa: PLC0415 - as above
    from model_tools.freezing.freeze import FreezeOptions, freeze  # noqa: PLC0415 - as above
    from model_tools.freezing.parity import graph_runner  # noqa: PLC0415 - as above
    from model_tools.graph.messages import message_class  # noqa: PLC0415 - as above
    from model_tools.samples.shapes import network, training  # noqa: PLC0415 - as above
    from model_tools.samples.shapes.drawing import LABELS, draw_image  # noqa: PLC0415 - as above

    def detect(image_tensor: Any) -> dict[str, Any]:
        return network.detect(image_tensor, model)

    progress.phase("freezing, and comparing with the trained model")
    shape = [1, network.HEIGHT_PX, network.WIDTH_PX, 3]
    loaded = from_function(detect, [tf.TensorSpec(shape, tf.uint8, name=_INPUT)])
    random = np.random.default_rng([seed, 3])
    samples = tuple(
        {_INPUT: draw_image(random, network.WIDTH_PX, network.HEIGHT_PX)[0][np.newaxis]}
        for _ in range(_PARITY_IMAGES)
    )
    frozen = freeze(loaded, FreezeOptions(samples=samples))
    run = graph_runner(
        message_class("GraphDef").FromString(frozen.graph), frozen.inputs, frozen.outputs
    )
    progress.phase("evaluating on unseen images")
    quality = training.evaluate(lambda image: run({_INPUT: image}), seed=seed, threshold=THRESHOLD)
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
    """Measure the drift baseline on scenes like those of virtual cameras, from another seed."""
    from model_tools.samples.shapes.drawing import (  # noqa: PLC0415 - as above
        SCENE_HEIGHT_PX,
        SCENE_WIDTH_PX,
        draw_image,
    )

    random, spec = np.random.default_rng([seed, 4]), _input_spec()
    scenes = (
        draw_image(random, SCENE_WIDTH_PX, SCENE_HEIGHT_PX)[0] for _ in range(_BASELINE_IMAGES)
    )
    results = (
        (scene, postprocessing.detections(run({_INPUT: prepare(scene, spec)}), labels))
        for scene in scenes
    )
    return Baseline.measured(results, THRESHOLD)


def _input_spec() -> InputSpec:
    from model_tools.samples.shapes import network  # noqa: PLC0415 - as above

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
    from model_tools.samples.shapes import network  # noqa: PLC0415 - as above

    most = network.MOST_DETECTIONS
    shapes: dict[str, tuple[int, ...]] = {
        "num_detections": (1,),
        "detection_boxes": (1, most, 4),
        "detection_scores": (1, most),
        "detection_classes": (1, most),
    }
    return {role: OutputSpec(f"{role}:0", "float32", shape) for role, shape in shapes.items()}


def _key(patterns: tuple[str, ...], *arguments: object) -> str:
    """Return a digest of the sources, arguments and libraries that determine a result."""
    digest = hashlib.sha256(json.dumps([arguments, tool_versions()]).encode())
    package_folder = Path(__file__).resolve().parents[2]
    for source in sorted(file for pattern in patterns for file in package_folder.glob(pattern)):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:32]
