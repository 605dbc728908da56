"""Artifacts below the models folder, by digest: their bytes checked, and what they say."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import semantic_version

from model_tools.errors import RegistryError, SourceError
from shared.artifact.archive import packed_manifest, sha256_of
from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import Manifest

_SHORTEST_DIGEST = 6


@dataclass(frozen=True)
class Release:
    """One artifact: its bytes are those of its digest, its manifest was checked."""

    path: Path
    digest: str
    manifest: Manifest
    document: dict[str, Any]

    @property
    def version(self) -> semantic_version.Version:
        """The model's version, to compare."""
        return semantic_version.Version.coerce(self.manifest.version)


def find_release(models: Path, digest: str) -> Release:
    """Return the artifact whose digest is, or uniquely begins with, `digest`.

    Raises:
        SourceError: no artifact, or more than one, has that digest.
        RegistryError: its bytes are not those of its digest.
    """
    built = {file.parent.name: file for file in sorted(models.glob("*/*/model.zip"))}
    long_enough = len(digest) >= _SHORTEST_DIGEST
    matching = [one for one in built if long_enough and one.startswith(digest)]
    if len(matching) != 1:
        known = ", ".join(one[:12] for one in built) or "none"
        problem = "several artifacts begin" if matching else "no artifact is built here"
        raise SourceError(f"{digest!r}: {problem} with this digest; there are: {known}")
    return open_release(built[matching[0]])


def document_of(models: Path, digest: str, name: str) -> str:
    """Return a text that belongs to a release: its provenance, or its bill of materials.

    Raises:
        SourceError: there is no such release, or it has no such document.
        RegistryError: its bytes are not those of its digest.
    """
    file = find_release(models, digest).path.with_name(name)
    if not file.is_file():
        raise SourceError(
            f"{file}: the file is not there; package the artifact again with "
            "`deeplens model package`"
        )
    return file.read_text(encoding="utf-8")


def open_release(path: Path) -> Release:
    """Open an artifact that lies in the folder of its digest.

    Raises:
        RegistryError: its bytes are not those of its digest, or it is no artifact.
    """
    digest = path.parent.name
    found = sha256_of(path)
    if found != digest:
        raise RegistryError(
            f"{path}: its SHA-256 is {found}, its folder says {digest}: it was changed after it "
            "was packaged; package it again, or take it from the model store"
        )
    try:
        text = packed_manifest(path)
        return Release(path, digest, Manifest.from_json(text), json.loads(text))
    except ArtifactError as error:
        raise RegistryError(f"{path}: not a model artifact: {error}") from None
