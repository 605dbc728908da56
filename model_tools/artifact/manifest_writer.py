"""Descriptions of models, and their conversion to manifest.json."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from model_tools.tool_versions import tensorflow_version
from shared.artifact.drift_baseline import Baseline
from shared.artifact.manifest import SCHEMA_VERSION, InputSpec, OutputSpec, SplitDetectorSpec

GRAPH_NAME = "frozen_model.pb"
LABELS_NAME = "label_map.pbtxt"


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """The content of a manifest, except for the digests of the files."""

    name: str
    version: str
    task: str
    input: InputSpec
    # The outputs by role: `shared.artifact.manifest.DETECTION_OUTPUTS`, or `scores`.
    outputs: dict[str, OutputSpec]
    threshold: float
    provenance: dict[str, Any]
    # The runtime for which the graph was rewritten; None for no specific runtime.
    consumer: str | None = None
    parity: dict[str, Any] | None = None
    # The drift baseline, or None if it was not measured.
    baseline: Baseline | None = None
    split: SplitDetectorSpec | None = None

    def as_manifest(self, files: dict[str, bytes]) -> dict[str, Any]:
        """Return the JSON object for manifest.json.

        Args:
            files: the artifact's other members by name, including `GRAPH_NAME` and `LABELS_NAME`.
        """
        framework = {"name": "tensorflow", "version": tensorflow_version()}
        optional = {
            "parity": self.parity,
            "baseline": self.baseline.as_manifest() if self.baseline else None,
            "cut": split_document(self.split) if self.split else None,
        }
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "version": self.version,
            "task": self.task,
            "framework": framework | ({"consumer": self.consumer} if self.consumer else {}),
            "files": {
                name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
                for name, content in files.items()
            },
            "graph": GRAPH_NAME,
            "labels": LABELS_NAME,
            "input": _input(self.input),
            "outputs": {role: _output(tensor) for role, tensor in self.outputs.items()},
            "threshold": self.threshold,
            "provenance": self.provenance,
        } | {key: value for key, value in optional.items() if value is not None}


def _input(spec: InputSpec) -> dict[str, Any]:
    size_px = [spec.height_px, spec.width_px]
    return asdict(spec) | {
        "shape": [1, *size_px, 3] if spec.layout == "NHWC" else [1, 3, *size_px],
        "mean": list(spec.mean),
        "scale": list(spec.scale),
    }


def _output(spec: OutputSpec) -> dict[str, Any]:
    document = asdict(spec) | {"shape": list(spec.shape)}
    if spec.activation is None:
        del document["activation"]
    return document


def split_document(spec: SplitDetectorSpec) -> dict[str, Any]:
    """Return the `cut` section of the manifest."""
    document = asdict(spec) | {"input": _input(spec.input), "box_scale": list(spec.box_scale)}
    document["outputs"] = {
        role: _output(getattr(spec, role)) for role in ("box_encodings", "class_predictions")
    }
    for role in document["outputs"]:
        del document[role]
    return document
