"""The artifact that an environment pins."""

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deeplens.config.base import ConfigError
from deeplens.config.environment import EnvironmentConfig
from deeplens.config.model_store import ModelPin
from deeplens.config.signing import SigningConfig
from deeplens.config.toml_files import one_line, shown

ARTIFACT_NAME = "model.zip"
STATEMENT_NAME = "model.zip.sig"
DOCUMENT_NAMES = ("provenance.intoto.json", "sbom.cdx.json")

_LARGEST_STATEMENT_BYTES = 64 << 10
_LARGEST_MANIFEST_BYTES = 1 << 20
_VERSION = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}")
# Errors of a damaged zip or manifest. RuntimeError is raised for encryption, unknown compression,
# and JSON that is nested too deeply.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, ValueError)


@dataclass(frozen=True)
class ModelArtifact:
    """The pinned artifact: a file with a verified SHA-256, and values of its manifest."""

    path: Path
    name: str
    version: str
    digest: str
    # The signed statement; None if `load_artifact` received no trusted keys, or the artifact is not
    # signed.
    statement: str | None = None
    # The provenance and the SBOM of the release, if they exist: the path and the SHA-256 of each
    # file.
    documents: tuple[tuple[Path, str], ...] = ()


def load_artifact(
    models: Path, pin: ModelPin, signing: SigningConfig | None = None
) -> ModelArtifact:
    """Return the pinned artifact below `models`, after a check of its SHA-256 and its name.

    If `signing` has trusted keys and requires a signature, the statement must exist. This function
    does not verify the signature. The release commands, the deploy and each camera verify it. A
    checkout cannot disable the check on cameras.

    Raises:
        ConfigError: the artifact or the required statement is absent, the SHA-256 or the name
            differs from the pin, or the manifest or the statement is not valid.
    """
    path = models / pin.name / pin.digest / ARTIFACT_NAME
    if not path.is_file():
        built = sorted(file.parent.name for file in (models / pin.name).glob(f"*/{ARTIFACT_NAME}"))
        known = f"built here: {', '.join(built)}" if built else "none is built here"
        raise ConfigError(
            f"{path}: the pinned artifact does not exist ({known}); build it with "
            "`deeplens model train shapes`, or pin one that exists with `deeplens release pin`"
        )
    digest = _sha256(path, path.stat().st_mtime_ns)
    if digest != pin.digest:
        raise ConfigError(
            f"{path}: the artifact's SHA-256 is {digest}, expected {pin.digest}; "
            "the file changed after it was packaged: package it again"
        )
    manifest = _read_manifest(path)
    if manifest.get("name") != pin.name:
        raise ConfigError(
            f"{path}: the artifact is of model {shown(manifest.get('name'))}, expected '{pin.name}'"
        )
    statement = _statement(path, signing) if signing is not None and signing.is_on else None
    documents = tuple(
        (file, _sha256(file, file.stat().st_mtime_ns))
        for name in DOCUMENT_NAMES
        if (file := path.with_name(name)).is_file()
    )
    return ModelArtifact(path, pin.name, str(manifest["version"]), digest, statement, documents)


@contextmanager
def hash_in_background(models: Path, environments: Sequence[EnvironmentConfig]) -> Iterator[None]:
    """Hash the pinned artifacts, which may be large, in a thread during the block.

    The end of the block waits for the thread. Later, `load_artifact` uses the cached digests, and
    reports errors that the thread ignores.
    """
    with ThreadPoolExecutor(max_workers=1) as background:
        for environment in environments:
            background.submit(load_artifact, models, environment.model)
        yield


def _statement(artifact: Path, signing: SigningConfig) -> str | None:
    file = artifact.with_name(STATEMENT_NAME)
    if not file.is_file():
        if signing.required:
            raise ConfigError(
                f"{file}: the pinned artifact is not signed, and signing.required is true; "
                f"`deeplens release sign {artifact} --key KEY`"
            )
        return None
    if file.stat().st_size > _LARGEST_STATEMENT_BYTES:
        raise ConfigError(f"{file}: over {_LARGEST_STATEMENT_BYTES} bytes; a statement is smaller")
    try:
        text = file.read_text(encoding="ascii")
        json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError(
            f"{file}: not a signed statement; `deeplens release sign {artifact} --key KEY` writes "
            "one"
        ) from None
    return text


@cache
def _sha256(path: Path, _modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo("manifest.json")
            if info.file_size > _LARGEST_MANIFEST_BYTES:
                raise ConfigError(f"{path}: its manifest.json has {info.file_size} bytes")
            manifest = json.loads(archive.read(info))
    except _BROKEN as error:
        raise ConfigError(f"{path}: not a model artifact: {one_line(str(error))}") from None
    if not isinstance(manifest, dict) or not _VERSION.fullmatch(str(manifest.get("version"))):
        raise ConfigError(f"{path}: its manifest.json contains no version such as 1.0.0")
    return manifest
