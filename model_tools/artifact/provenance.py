"""The provenance of an artifact: an in-toto statement with SLSA's predicate, version 1.

The statement contains no times and no machine names, so the same inputs give the same bytes.

Source: https://slsa.dev/spec/v1.0/provenance
"""

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import shared

PROVENANCE_NAME = "provenance.intoto.json"
SLSA_PROVENANCE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:deeplens-tensorflow:model-tools:package:v1"
BUILDER = "urn:deeplens-tensorflow:model-tools"

_CHECKOUT = Path(__file__).resolve().parents[2]
# Source folders by their paths in a checkout, because an installed package has other paths.
_SOURCES = {
    "model_tools": Path(__file__).resolve().parents[1],
    "lambda_src/shared": Path(shared.__path__[0]).resolve(),
}
_LOCK = "requirements/project.txt"


def provenance(manifest: dict[str, Any], artifact: str, digest: str) -> bytes:
    """Return the provenance statement of an artifact.

    Args:
        manifest: the artifact's manifest.json.
        artifact: the artifact's file name.
        digest: the artifact's SHA-256, lower-case hex.
    """
    described = {
        name: manifest[name]
        for name in ("name", "version", "task", "input", "threshold")
        if name in manifest
    }
    origin = manifest.get("provenance", {})
    predicate = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": described,
            "internalParameters": {
                name: origin[name] for name in ("tool_versions", "training") if name in origin
            },
            "resolvedDependencies": [
                *(
                    {"name": name, "digest": {"sha256": file["sha256"]}}
                    for name, file in sorted(manifest["files"].items())
                ),
                *_tools(),
            ],
        },
        "runDetails": {"builder": {"id": BUILDER, **_version()}},
    }
    return as_bytes(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": artifact, "digest": {"sha256": digest}}],
            "predicateType": SLSA_PROVENANCE,
            "predicate": predicate,
        }
    )


def as_bytes(document: Any) -> bytes:
    """Serialize a JSON document to bytes that depend only on its content."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=True).encode() + b"\n"


def _version() -> dict[str, Any]:
    """Return the builder's version if model_tools is installed, or an empty object otherwise."""
    try:
        return {"version": {"model_tools": installed("deeplens-tensorflow")}}
    except PackageNotFoundError:
        return {}


@cache
def _tools() -> tuple[dict[str, Any], ...]:
    """Return the digests of the packaging code (in-toto's `dirHash`) and of its dependency lock."""
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {name}/{file.relative_to(folder)}\n"
        for name, folder in _SOURCES.items()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    ]
    sources = hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
    tools: list[dict[str, Any]] = [{"name": " ".join(_SOURCES), "digest": {"dirHash": sources}}]
    lock = _CHECKOUT / _LOCK
    if lock.is_file():
        digest = hashlib.sha256(lock.read_bytes()).hexdigest()
        tools.append({"name": _LOCK, "digest": {"sha256": digest}})
    return tuple(tools)
