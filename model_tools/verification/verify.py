"""Compare an artifact with its source, its engines with each other, and with what is known."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.artifacts import unpack_artifact
from model_tools.errors import SourceError
from model_tools.isolation import Limits, isolated
from model_tools.pictures import read_picture
from model_tools.sources.files import find_model
from model_tools.sources.selection import Choice
from model_tools.verification.comparing import Agreement, agreement
from model_tools.verification.diagnosis import diagnose
from model_tools.verification.expected import Expected
from shared.artifact.archive import Artifact
from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import InputSpec
from shared.vision.detections import Detection
from shared.vision.engine import open_engine
from shared.vision.preprocessing import prepare

Picture = npt.NDArray[np.uint8]

MOST_SHOWN = 24
_GENERATED = 8
_GENERATED_SIDES_PX = (240, 320)


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """What to compare, and on what."""

    artifact: Path
    pictures: tuple[Path, ...] = ()
    # The model that was frozen.
    against: Path | None = None
    choice: Choice = Choice()  # noqa: RUF009 - frozen, too
    # What is known to be on pictures, by file name.
    expected: Expected | None = None
    # OpenVINO's precisions; if there are none, only TensorFlow runs the artifact.
    precisions: tuple[str, ...] = ("f32",)


@dataclass(frozen=True)
class Comparison:
    """One comparison by its title."""

    title: str
    agreement: Agreement


@dataclass(frozen=True)
class Verification:
    """All comparisons of an artifact."""

    name: str
    version: str
    digest: str
    threshold: float
    comparisons: list[Comparison]
    # What would make the answers those that are expected.
    diagnosis: str | None
    # By image: the detections of each run, by title. Images on which runs differ come first, then
    # the first of the others that were given.
    answers: dict[str, dict[str, list[Detection]]]

    @property
    def drop(self) -> float:
        """The largest share of answers that is not agreed on."""
        return max((1 - each.agreement.share for each in self.comparisons), default=0.0)


def verify(request: VerifyRequest, limits: Limits | None = None) -> Verification:
    """Run every comparison in a limited process.

    Raises:
        ModelToolsError, shared.artifact.errors.VisionError: a file is not what it should be.
    """
    models = [path for path in (request.artifact, request.against) if path is not None]
    limits = limits or Limits.for_files(*models, *request.pictures)
    return isolated(_verify, request, limits=limits)


def _verify(request: VerifyRequest) -> Verification:
    named = {file.name: read_picture(file) for file in request.pictures} or _generated()
    names, pictures = list(named), list(named.values())
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        folder = Path(workspace) / "artifact"
        folder.mkdir()
        artifact = unpack_artifact(request.artifact, folder)
        # Noise shows nothing worth a report: there, every answer counts.
        threshold = artifact.manifest.threshold if request.pictures else 0.0
        runs = {"tensorflow": _run(artifact, pictures, "tensorflow")}
        for precision in request.precisions:
            runs[f"openvino {precision}"] = _openvino(artifact, pictures, precision)
        comparisons = [
            Comparison(
                f"{title} and tensorflow", agreement(names, runs["tensorflow"], run, threshold)
            )
            for title, run in runs.items()
            if title != "tensorflow"
        ]
        if request.against is not None:
            source = _source(request, Path(workspace), artifact, pictures)
            runs["source"] = source
            comparisons.append(
                Comparison(
                    "artifact and its source",
                    agreement(names, source, runs["tensorflow"], threshold),
                )
            )
        diagnosis = None
        if request.expected is not None:
            compared, diagnosis = _against_expected(artifact, named, request.expected, runs)
            comparisons.append(compared)
    shown = _shown(names if request.pictures else [], comparisons)
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


def _shown(given: list[str], comparisons: list[Comparison]) -> list[str]:
    """Return the images whose detections are part of the result."""
    differing = sorted({name for each in comparisons for name in each.agreement.differing})
    others = [name for name in given if name not in differing]
    return differing + others[: max(MOST_SHOWN - len(differing), 0)]


def _run(
    artifact: Artifact, pictures: list[Picture], engine: str, precision: str = "f32"
) -> list[list[Detection]]:
    loaded = open_engine(engine, artifact, precision=precision)
    return [loaded.infer(picture) for picture in pictures]


def _openvino(artifact: Artifact, pictures: list[Picture], precision: str) -> list[list[Detection]]:
    try:
        return _run(artifact, pictures, "openvino", precision)
    except ArtifactError as error:
        raise ArtifactError(
            f"{error}; --engine tensorflow verifies without OpenVINO, and cameras run it with "
            'engine = "tensorflow" below [inference] in the environment file'
        ) from None


def _source(
    request: VerifyRequest, workspace: Path, artifact: Artifact, pictures: list[Picture]
) -> list[list[Detection]]:
    """Run the model that was frozen on pictures, prepared as the artifact says."""
    from model_tools.sources.load import load_model  # noqa: PLC0415 - imports TensorFlow
    from shared.vision import answers  # noqa: PLC0415 - as above

    if request.against is None:
        raise SourceError("there is nothing to compare with")
    model = load_model(find_model(request.against, workspace), request.choice)
    manifest = artifact.manifest
    if len(model.inputs) != 1:
        raise SourceError(f"{request.against} takes {', '.join(model.inputs)}, not one picture")
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
        raise SourceError(f"{request.against} has no output for {role}: {', '.join(model.outputs)}")

    roles = {role: role_of(role) for role in manifest.outputs}

    def infer(picture: Picture) -> list[Detection]:
        answer = model.run({alias: prepare(picture, manifest.input)})
        if "scores" in roles:
            activation = manifest.outputs["scores"].activation
            return answers.classes(answer[roles["scores"]], activation, artifact.labels)
        by_role: dict[str, Any] = {role: answer[key] for role, key in roles.items()}
        return answers.detections(by_role, artifact.labels)

    return [infer(picture) for picture in pictures]


def _against_expected(
    artifact: Artifact,
    named: dict[str, Picture],
    expected: Expected,
    runs: dict[str, list[list[Detection]]],
) -> tuple[Comparison, str | None]:
    known = [name for name in named if name in expected]
    if not known:
        raise SourceError(
            f"nothing is expected of {', '.join(list(named)[:5])}; "
            f"the file speaks of {', '.join(list(expected)[:5])}"
        )
    wanted = [expected[name] for name in known]
    threshold = artifact.manifest.threshold
    found = dict(zip(named, runs["tensorflow"], strict=True))
    now = agreement(known, wanted, [found[name] for name in known], threshold)

    def share_with(spec: InputSpec) -> float:
        changed = replace(artifact, manifest=replace(artifact.manifest, input=spec, cut=None))
        answers = _run(changed, [named[name] for name in known], "tensorflow")
        return agreement(known, wanted, answers, threshold).share

    diagnosis = None if now.share == 1 else _diagnosed(artifact, now.share, share_with)
    return Comparison("artifact and what is expected", now), diagnosis


def _diagnosed(
    artifact: Artifact, share: float, share_with: Callable[[InputSpec], float]
) -> str | None:
    return diagnose(artifact.manifest.input, share, share_with)


def _generated() -> dict[str, Picture]:
    random = np.random.default_rng(0)
    return {
        f"generated-{number}": random.integers(0, 256, (*_GENERATED_SIDES_PX, 3), np.uint8)
        for number in range(_GENERATED)
    }
