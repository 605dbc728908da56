"""Compare the models of two sides by the manifests and labels in their artifacts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deeplens.assembly import Environment
from deeplens.review.devices import format_bytes
from shared.artifact.archive import packed_labels, packed_manifest
from shared.artifact.errors import ArtifactError
from shared.artifact.strict_json import parse_json

_ARTIFACT_NAME = "model.zip"


@dataclass(frozen=True)
class CardLine:
    """One line of the model card on both sides; the value is empty on a side without the line."""

    name: str
    before: str
    after: str

    @property
    def changed(self) -> bool:
        """True if the two sides differ."""
        return self.before != self.after


def compare_models(before: Environment, after: Environment) -> tuple[CardLine, ...]:
    """Return every line of both model cards, or an empty tuple if no line differs."""
    old, new = dict(_cards(before)), dict(_cards(after))
    names = list(dict.fromkeys([*new, *old]))
    lines = tuple(CardLine(name, old.get(name, ""), new.get(name, "")) for name in names)
    return lines if any(line.changed for line in lines) else ()


def _cards(environment: Environment) -> Iterator[tuple[str, str]]:
    artifacts = [
        (
            str(properties.get("Sha256", "")),
            environment.assets.get(str(properties.get("SourceKey", "")).partition(".")[0]),
        )
        for stack, resource in environment.every_resource()
        if resource.type == "Custom::ModelArtifact"
        for properties in [environment.resolve(stack, dict(resource.properties))]
        # Resources of the same type also publish other files, for example the provenance of a
        # model.
        if str(properties.get("Key", "")).endswith(f"/{_ARTIFACT_NAME}")
    ]
    for number, (digest, path) in enumerate(artifacts, 1):
        prefix = f"{number}. " if len(artifacts) > 1 else ""
        for name, value in _card(digest, path):
            yield prefix + name, value


def _card(digest: str, path: Path | None) -> Iterator[tuple[str, str]]:
    yield "digest", digest
    if path is None or not path.is_file():
        return
    yield "size", f"{format_bytes(path.stat().st_size)} ({path.stat().st_size} bytes)"
    try:
        manifest = parse_json(packed_manifest(path))
    except (ValueError, ArtifactError) as error:
        yield "manifest", f"cannot be read: {error}"
        return
    if not isinstance(manifest, dict):
        yield "manifest", "cannot be read: expected a JSON object"
        return
    yield from _manifest_lines(manifest)
    try:
        labels = packed_labels(path, str(manifest.get("labels", "label_map.pbtxt")))
        yield "labels", ", ".join(name for _, name in sorted(labels.items()))
    except ArtifactError as error:
        yield "labels", f"cannot be read: {error}"


def _manifest_lines(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    parity = _section(manifest, "parity")
    training = _section(_section(manifest, "provenance"), "training")
    input_ = _section(manifest, "input")
    yield "name", str(manifest.get("name", ""))
    yield "version", str(manifest.get("version", ""))
    yield "task", str(manifest.get("task", ""))
    yield "threshold", str(manifest.get("threshold", ""))
    yield "input", f"{input_.get('width_px', '?')} by {input_.get('height_px', '?')} px"
    if parity:
        absolute, relative = (
            _number(parity.get(f"largest_{kind}")) for kind in ("absolute", "relative")
        )
        largest = f"largest difference {absolute} (relative {relative})"
        yield "parity with its source", f"{largest} over {parity.get('samples', '?')} samples"
    for key, value in sorted(training.items()):
        yield f"training: {key}", str(value)
    framework = _section(manifest, "framework")
    yield "framework", f"{framework.get('name', '?')} {framework.get('version', '?')}"


def _section(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = content.get(name)
    return section if isinstance(section, dict) else {}


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, int | float) else "?"
