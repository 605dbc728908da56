"""One artifact from a frozen graph, its labels and what is known of it: the same bytes always."""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.labels import write_label_map
from vision.manifest import MANIFEST_NAME, SCHEMA_VERSION, Manifest

ARTIFACT_NAME = "model.zip"
GRAPH_NAME = "frozen_model.pb"
LABELS_NAME = "label_map.pbtxt"

# The earliest moment that a zip can name.
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_READABLE_FILE = 0o100644 << 16
_UNIX = 3


@dataclass(frozen=True)
class Package:
    """A packaged artifact: where it is and the SHA-256 that names it."""

    path: Path
    digest: str
    size_bytes: int


def build_manifest(  # noqa: PLR0913 - a manifest says this many things
    *,
    name: str,
    version: str,
    graph: bytes,
    labels: dict[int, str],
    height_px: int,
    width_px: int,
    most_detections: int,
    threshold: float,
    provenance: dict[str, Any],
) -> dict[str, Any]:
    """Describe a detector with the Object Detection API's inputs and outputs."""
    label_map = write_label_map(labels).encode()
    tensor = {"dtype": "float32"}
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "version": version,
        "task": "object-detection",
        "framework": {"name": "tensorflow", "version": provenance["tool_versions"]["tensorflow"]},
        "files": {
            file: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for file, content in ((GRAPH_NAME, graph), (LABELS_NAME, label_map))
        },
        "graph": GRAPH_NAME,
        "labels": LABELS_NAME,
        "input": {
            "name": "image_tensor",
            "dtype": "uint8",
            "shape": [1, height_px, width_px, 3],
            "layout": "NHWC",
            "width_px": width_px,
            "height_px": height_px,
            "channel_order": "RGB",
            "mean": [0, 0, 0],
            "scale": 1.0,
        },
        "outputs": {
            "num_detections": {**tensor, "shape": [1]},
            "detection_boxes": {**tensor, "shape": [1, most_detections, 4]},
            "detection_scores": {**tensor, "shape": [1, most_detections]},
            "detection_classes": {**tensor, "shape": [1, most_detections]},
        },
        "threshold": threshold,
        "provenance": provenance,
    }


def package(
    models: Path, graph: bytes, labels: dict[int, str], manifest: dict[str, Any]
) -> Package:
    """Write `models/<name>/<sha256>/model.zip`, unless it is there already.

    Raises:
        vision.errors.ManifestError: the manifest is not what the camera reads.
    """
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=True) + "\n"
    checked = Manifest.from_json(text)
    content = _zip(
        {
            GRAPH_NAME: graph,
            LABELS_NAME: write_label_map(labels).encode(),
            MANIFEST_NAME: text.encode(),
        }
    )
    digest = hashlib.sha256(content).hexdigest()
    path = models / checked.name / digest / ARTIFACT_NAME
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(content)
        unfinished.replace(path)
    return Package(path, digest, len(content))


def _zip(members: dict[str, bytes]) -> bytes:
    """Zip without a trace of when, where and by whom.

    Members are stored: weights hardly compress, and what a deflate library makes of the same
    bytes depends on its build.
    """
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, _NO_TIME)
            info.external_attr = _READABLE_FILE
            info.create_system = _UNIX
            archive.writestr(info, content)
    return output.getvalue()
