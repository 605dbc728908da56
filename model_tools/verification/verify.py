"""Compare an artifact's engines with each other, with its source, and with expectations."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from model_tools.artifact.archive import unpack_artifact
from model_tools.errors import SourceError
from model_tools.formats.detect import find_model
from model_tools.formats.signatures import Choice
from model_tools.images import ImageArray, read_image
from model_tools.sandbox import Limits, isolated
from model_tools.verification.detection_agreement import Agreement, agreement
from model_tools.verification.diagnosis import diagnose
from model_tools.verification.expected_detections import ExpectedDetections
from shared.artifact.archive import Artifact
from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import InputSpec
from shared.vision.detections import Detection
from shared.vision.engine import open_engine
from shared.vision.preprocessing import prepare

MOST_SHOWN = 24
_GENERATED = 8
_GENERATED_SIDES_PX = (240, 320)


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """The artifact, the other runs to compare, and their images."""

    artifact: Path
    images: tuple[Path, ...] = ()
    # The source model of the artifact.
    against: Path | None = None
    choice: Choice = Choice()  # noqa: RUF009 - `Choice` is frozen
    expected: ExpectedDetections | None = None
    # OpenVINO's precisions; if the tuple is empty, only TensorFlow runs the artifact.
    precisions: tuple[str, ...] = ("f32",)


@dataclass(frozen=True)
class RunComparison:
    """The agreement of two runs, with a title that names them."""

    title: str
    agreement: Agreement


@dataclass(frozen=True)
class Verification:
    """All comparisons of an artifact; the field names are keys of `--json`."""

    name: str
    version: str
    digest: str
    threshold: float
    comparisons: list[RunComparison]
    # The change of the preprocessing that gives the expected detections.
    diagnosis: str | None
    # Detections of each run by image and then by title. Images for which runs differ precede the
    # first of the other given images.
    answers: dict[str, dict[str, list[Detection]]]

    @property
    def drop(self) -> float:
        """The largest share of detections that differ."""
        return max((1 - comparison.agreement.share for comparison in self.comparisons), default=0.0)


def verify_artifact(request: VerifyRequest, limits: Limits | None = None) -> Verification:
    """Run every comparison in a limited process.

    Raises:
        ModelToolsError, shared.artifact.errors.ArtifactError: the artifact, the source or an image
            is not valid.
    """
    models = [path for path in (request.artifact, request.against) if path is not None]
    limits = limits or Limits.for_files(*models, *request.images)
    return isolated(_verify, request, limits=limits)


def _verify(request: VerifyRequest) -> Verification:
    by_name = {file.name: read_image(file) for file in request.images} or _generated()
    names, images = list(by_name), list(by_name.values())
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        folder = Path(workspace) / "artifact"
        folder.mkdir()
        artifact = unpack_artifact(request.artifact, folder)
        # Scores of generated noise are rarely above the threshold, so all scores are compared.
        threshold = artifact.manifest.threshold if request.images else 0.0
        runs = {"tensorflow": _run(artifact, images, "tensorflow")}
        for precision in request.precisions:
            runs[f"openvino {precision}"] = _openvino(artifact, images, precision)
        comparisons = [
            RunComparison(
                f"{title} and tensorflow", agreement(names, runs["tensorflow"], run, threshold)
            )
            for title, run in runs.items()
            if title != "tensorflow"
        ]
        if request.against is not None:
            source = _source(request, Path(workspace), artifact, images)
            runs["source"] = source
            comparisons.append(
                RunComparison(
                    "artifact and its source",
                    agreement(names, source, runs["tensorflow"], threshold),
                )
            )
        diagnosis = None
        if request.expected is not None:
            comparison, diagnosis = _against_expected(artifact, by_name, request.expected, runs)
            comparisons.append(comparison)
    shown = _shown(names if request.images else [], comparisons)
    return Verification(
        name=artifact.manifest.name,
        version=artifact.manifest.version,
        digest=artifact.digest,
        threshold=threshold,
        comparisons=comparisons,
        diagnosis=diagnosis,
        answers={
            name: {title: run[names.index(name)] for title, run in runs.items()} for name in shown
        },
    )


def _shown(given: list[str], comparisons: list[RunComparison]) -> list[str]:
    """Return the names of the images whose detections the result contains."""
    differing = sorted(
        {name for comparison in comparisons for name in comparison.agreement.differing}
    )
    others = [name for name in given if name not in differing]
    return differing + others[: max(MOST_SHOWN - len(differing), 0)]


def _run(
    artifact: Artifact, images: list[ImageArray], engine_name: str, precision: str = "f32"
) -> list[list[Detection]]:
    engine = open_engine(engine_name, artifact, precision=precision)
    return [engine.infer(image) for image in images]


def _openvino(
    artifact: Artifact, images: list[ImageArray], precision: str
) -> list[list[Detection]]:
    try:
        return _run(artifact, images, "openvino", precision)
    except ArtifactError as error:
        raise ArtifactError(
            f"{error}; --engine tensorflow verifies without OpenVINO, and cameras run it with "
            'engine = "tensorflow" below [inference] in the environment file'
        ) from None


def _source(
    request: VerifyRequest, workspace: Path, artifact: Artifact, images: list[ImageArray]
) -> list[list[Detection]]:
    """Run the source model on images, with the preprocessing of the artifact's manifest."""
    from shared.vision import postprocessing  # noqa: PLC0415 - imports NumPy

    if request.against is None:
        raise SourceError("there is no source to compare with: give --against")
    model = find_model(request.against, workspace).load(request.choice)
    manifest = artifact.manifest
    if len(model.inputs) != 1:
        raise SourceError(
            f"the inputs {', '.join(model.inputs)} of {request.against} are not valid: expected "
            "one image"
        )
    (alias,) = model.inputs
    by_node = {spec.name: key for key, spec in model.outputs.items()} | {
        key: key for key in model.outputs
    }

    def role_of(role: str) -> str:
        for name in (role, manifest.outputs[role].name, manifest.outputs[role].name[:-2]):
            if name in by_node:
                return by_node[name]
        if len(model.outputs) == 1:
            return next(iter(model.outputs))
        raise SourceError(
            f"{request.against} has no output for {role}; its outputs are "
            f"{', '.join(model.outputs)}: select them with --output"
        )

    roles = {role: role_of(role) for role in manifest.outputs}

    def infer(image: ImageArray) -> list[Detection]:
        outputs = model.run({alias: prepare(image, manifest.input)})
        if "scores" in roles:
            activation = manifest.outputs["scores"].activation
            return postprocessing.classes(outputs[roles["scores"]], activation, artifact.labels)
        by_role: dict[str, Any] = {role: outputs[key] for role, key in roles.items()}
        return postprocessing.detections(by_role, artifact.labels)

    return [infer(image) for image in images]


def _against_expected(
    artifact: Artifact,
    images: dict[str, ImageArray],
    expected: ExpectedDetections,
    runs: dict[str, list[list[Detection]]],
) -> tuple[RunComparison, str | None]:
    names = [name for name in images if name in expected]
    if not names:
        raise SourceError(
            f"no detections are expected for {', '.join(list(images)[:5])}: the file contains "
            f"{', '.join(list(expected)[:5])}"
        )
    expected_run = [expected[name] for name in names]
    threshold = artifact.manifest.threshold
    by_name = dict(zip(images, runs["tensorflow"], strict=True))
    current = agreement(names, expected_run, [by_name[name] for name in names], threshold)

    def share_with(spec: InputSpec) -> float:
        changed = replace(artifact, manifest=replace(artifact.manifest, input=spec, split=None))
        run = _run(changed, [images[name] for name in names], "tensorflow")
        return agreement(names, expected_run, run, threshold).share

    diagnosis = (
        None if current.share == 1 else diagnose(artifact.manifest.input, current.share, share_with)
    )
    return RunComparison("artifact and expected detections", current), diagnosis


def _generated() -> dict[str, ImageArray]:
    random = np.random.default_rng(0)
    return {
        f"generated-{number}": random.integers(0, 256, (*_GENERATED_SIDES_PX, 3), np.uint8)
        for number in range(_GENERATED)
    }
