"""`[runtime]`: the pinned archives with the Python packages of cameras, one per architecture."""

import hashlib
import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from deeplens.config.base import ConfigError, ConfigSection

RUNTIME_ARCHIVE_NAME = "runtime.zip"
# The Python version of the published function.
RUNTIME_PYTHON = "3.12"

_FORMAT = 1
_MANIFEST = "runtime.json"
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RuntimeConfig(ConfigSection):
    """The SHA-256 of each architecture's archive; if absent, devices use their own packages."""

    amd64: Annotated[
        _Digest | None,
        Field(
            description="SHA-256 of the runtime for 64-bit x86; `deeplens env runtime` prints it"
        ),
    ] = None
    aarch64: Annotated[
        _Digest | None,
        Field(
            description="SHA-256 of the runtime for 64-bit Arm; `deeplens env runtime` prints it"
        ),
    ] = None

    def to_pins(self) -> dict[str, str]:
        """Return the pinned digests by architecture, as Greengrass names the architectures."""
        pins = {"amd64": self.amd64, "aarch64": self.aarch64}
        return {architecture: digest for architecture, digest in pins.items() if digest}


@dataclass(frozen=True)
class RuntimeArchive:
    """A pinned archive: a file with a verified SHA-256."""

    architecture: str
    digest: str
    path: Path


def load_runtime(folder: Path, pins: RuntimeConfig) -> tuple[RuntimeArchive, ...]:
    """Return the pinned archives below `folder`.

    Raises:
        ConfigError: an archive is absent, its SHA-256 differs, or its manifest is not valid.
    """
    return tuple(
        _archive(folder, architecture, digest) for architecture, digest in pins.to_pins().items()
    )


def _archive(folder: Path, architecture: str, digest: str) -> RuntimeArchive:
    path = folder / digest / RUNTIME_ARCHIVE_NAME
    where = f"runtime.{architecture}: {path}"
    if not path.is_file():
        raise ConfigError(
            f"{where}: the pinned runtime does not exist; build it with `deeplens env runtime`, "
            "which gives the same bytes as long as requirements/runtime.txt is the same"
        )
    actual = _sha256(path, path.stat().st_mtime_ns)
    if actual != digest:
        raise ConfigError(
            f"{where}: SHA-256 is {actual}, expected {digest}; build it again with "
            "`deeplens env runtime`"
        )
    manifest = _read_manifest(path, where)
    for key, expected in (
        ("format", _FORMAT),
        ("architecture", architecture),
        ("python", RUNTIME_PYTHON),
    ):
        if manifest.get(key) != expected:
            raise ConfigError(f"{where}: its {key} is {manifest.get(key)!r}, expected {expected!r}")
    return RuntimeArchive(architecture, digest, path)


@cache
def _sha256(path: Path, _modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(path: Path, where: str) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read(_MANIFEST))
    except (zipfile.BadZipFile, EOFError, KeyError, RuntimeError, ValueError) as error:
        raise ConfigError(f"{where}: not a runtime archive: {error}") from None
    return manifest if isinstance(manifest, dict) else {}
