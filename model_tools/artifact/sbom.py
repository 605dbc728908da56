"""The software bill of materials (SBOM) of an artifact, in CycloneDX 1.6.

The SBOM contains the model as a `machine-learning-model` component with a model card, the digests
of its files, and the libraries of the camera's lock. The same inputs give the same bytes.
"""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_tools.artifact.provenance import as_bytes

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

SBOM_NAME = "sbom.cdx.json"

_LOCK = Path(__file__).resolve().parents[2] / "requirements" / "device.txt"
_PACKAGE = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_NAMESPACE = uuid.UUID("5e1f9bbd-6a0d-5a39-8f2e-6f6bd0b5a7d1")


def sbom(manifest: dict[str, Any], digest: str, *, lock: Path = _LOCK) -> bytes:
    """Return the SBOM of an artifact.

    Args:
        manifest: the artifact's manifest.json.
        digest: the artifact's SHA-256, lower-case hex.
        lock: the camera's locked requirements; if the file is absent, no libraries are listed.
    """
    from cyclonedx.model.bom import Bom, BomMetaData  # noqa: PLC0415 - keeps --help fast
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415 - as above

    model = _model(manifest, digest)
    bom = Bom(
        metadata=BomMetaData(component=model),
        serial_number=uuid.uuid5(_NAMESPACE, digest),
        components=[*_files(manifest), *_libraries(lock)],
    )
    bom.register_dependency(model, bom.components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    # The library always adds a time, which would change the bytes.
    document["metadata"].pop("timestamp", None)
    # The library does not support model cards.
    document["metadata"]["component"]["modelCard"] = _card(manifest)
    return as_bytes(document)


def _model(manifest: dict[str, Any], digest: str) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType  # noqa: PLC0415 - as above
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - as above

    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=manifest["name"],
        version=manifest["version"],
        bom_ref=f"model:{manifest['name']}@{digest}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )


def _files(manifest: dict[str, Any]) -> Iterator["Component"]:
    from cyclonedx.model import HashAlgorithm, HashType  # noqa: PLC0415 - as above
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - as above

    for name, file in sorted(manifest["files"].items()):
        yield Component(
            type=ComponentType.FILE,
            name=name,
            bom_ref=f"file:{name}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file["sha256"])],
        )


def _libraries(lock: Path) -> Iterator["Component"]:
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415 - as above
    from packageurl import PackageURL  # noqa: PLC0415 - as above

    if not lock.is_file():
        return
    locked = set(_PACKAGE.findall(lock.read_text(encoding="utf-8")))
    for name, version in sorted(locked):
        address = PackageURL("pypi", None, name.lower(), version)
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            purl=address,
            bom_ref=address.to_string(),
        )


def _card(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return CycloneDX's model card, with the fields that a manifest contains."""
    training = manifest.get("provenance", {}).get("training", {})
    metrics = [
        {"type": name, "value": str(value)}
        for name, value in sorted(training.items())
        if name in {"precision", "recall", "accuracy"}
    ]
    card: dict[str, Any] = {
        "modelParameters": {
            "task": manifest["task"],
            "inputs": [{"format": _tensor(manifest["input"])}],
            "outputs": [
                {"format": f"{name}: {_tensor(output)}"}
                for name, output in sorted(manifest["outputs"].items())
            ],
        }
    }
    if metrics:
        card["quantitativeAnalysis"] = {"performanceMetrics": metrics}
    return card


def _tensor(spec: dict[str, Any]) -> str:
    return f"{spec['dtype']} {spec.get('shape', '')}".strip()
