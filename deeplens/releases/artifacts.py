"""Artifacts in the models folder: search by digest, and verification of bytes and manifests."""

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
    """An artifact whose bytes match its digest and whose manifest is valid."""

    path: Path
    digest: str
    manifest: Manifest
    document: dict[str, Any]

    @property
    def version(self) -> semantic_version.Version:
        """The model's version, for comparisons."""
        return semantic_version.Version.coerce(self.manifest.version)


def find_release(models: Path, digest: str) -> Release:
    """Return the only artifact whose digest starts with `digest`.

    Raises:
        SourceError: `digest` has fewer than 6 characters, or not exactly one artifact matches.
        RegistryError: the artifact is not valid, or its bytes do not match its digest.
    """
    built = {file.parent.name: file for file in sorted(models.glob("*/*/model.zip"))}
    long_enough = len(digest) >= _SHORTEST_DIGEST
    matching = [name for name in built if long_enough and name.startswith(digest)]
    if len(matching) != 1:
        known = ", ".join(name[:12] for name in built) or "none"
        problem = "several artifacts start" if matching else "no artifact is built here"
        raise SourceError(f"{digest!r}: {problem} with this digest; available: {known}")
    return open_release(built[matching[0]])


def document_of(models: Path, digest: str, name: str) -> str:
    """Return the text of a release's document `name`: its provenance, or its bill of materials.

    Raises:
        SourceError: the release or its document is absent.
        RegistryError: the artifact is not valid, or its bytes do not match its digest.
    """
    file = find_release(models, digest).path.with_name(name)
    if not file.is_file():
        raise SourceError(
            f"{file}: the file is not there; package the artifact again with "
            "`deeplens model package`"
        )
    return file.read_text(encoding="utf-8")


def open_release(path: Path) -> Release:
    """Open an artifact whose folder has the digest as its name.

    Raises:
        RegistryError: the artifact is not valid, or its bytes do not match its digest.
    """
    digest = path.parent.name
    actual = sha256_of(path)
    if actual != digest:
        raise RegistryError(
            f"{path}: its SHA-256 is {actual}, its folder is {digest}: it was changed after it "
            "was packaged; package it again, or copy it from the model store"
        )
    try:
        text = packed_manifest(path)
        return Release(path, digest, Manifest.from_json(text), json.loads(text))
    except ArtifactError as error:
        raise RegistryError(f"{path}: not a model artifact: {error}") from None
