"""Artifacts on the device: downloads, digest checks and safe unpacking of archives."""

import base64
import hashlib
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from local_aws.core_device.errors import CHECKSUM, UPDATE, DeploymentFailed

_CHUNK_BYTES = 1 << 20
_MAX_MEMBERS = 10_000
_MAX_BYTES = 4 << 30


def fetch(
    artifact: dict[str, Any], folder: Path, unarchived: Path, open_: Callable[[str], Any]
) -> Path:
    """Download an artifact unless a valid copy exists, and unpack it if the recipe requires that.

    The result is the path of the downloaded file.

    Raises:
        DeploymentFailed: the SHA-256 differs from the recipe's (the download is removed), or
            `unpack` rejects the archive.
    """
    uri: str = artifact["Uri"]
    file = folder / uri.rpartition("/")[2].removeprefix("greengrass:")
    expected = base64.b64decode(artifact["Digest"]).hex()
    if not (file.is_file() and _sha256(file) == expected):
        _download(uri, file, expected, open_)
    if artifact.get("Unarchive") == "ZIP":
        unpack(file, unarchived / file.stem)
    return file


def unpack(archive: Path, folder: Path) -> None:
    """Replace a folder with an unpacked zip archive; reject links, duplicates and unsafe paths.

    Raises:
        DeploymentFailed: the archive is not valid or is too large, or a member is rejected. The
            folder does not change.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as packed:
            _check_members(archive, packed.infolist())
            for info in packed.infolist():
                packed.extract(info, partial)
    except (zipfile.BadZipFile, DeploymentFailed) as error:
        shutil.rmtree(partial)
        raise DeploymentFailed(f"{archive.name} cannot be unpacked: {error}", UPDATE) from None
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _check_members(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    if len(members) > _MAX_MEMBERS or sum(info.file_size for info in members) > _MAX_BYTES:
        raise DeploymentFailed(
            f"{archive.name} is too large: expected at most {_MAX_MEMBERS} members, "
            f"and {_MAX_BYTES} bytes when it is unpacked"
        )
    for info in members:
        name = info.filename
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
            raise DeploymentFailed(f"member {name!r} is outside of its folder")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DeploymentFailed(f"member {name!r} is a link")
        if name in seen:
            raise DeploymentFailed(f"member {name!r} is duplicated")
        seen.add(name)


def _download(uri: str, file: Path, expected: str, open_: Callable[[str], Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    digest = hashlib.sha256()
    with open_(uri) as source, partial.open("wb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() != expected:
        partial.unlink()
        raise DeploymentFailed(
            f"{uri}: downloaded SHA-256 {digest.hexdigest()}; the recipe requires {expected}",
            CHECKSUM,
        )
    partial.replace(file)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def remove_old_versions(
    recipes: Path,
    stored_versions: Iterable[Path],
    deployed: Mapping[str, str],
    parse: Callable[[str], tuple[str, str]],
) -> None:
    """Remove the recipes and artifacts of all versions that are not deployed.

    Args:
        recipes: the folder of recipes.
        stored_versions: folders whose members are `<component>/<version>`.
        deployed: the deployed version of each component.
        parse: returns the component and version of a recipe's file name.
    """
    for recipe in sorted(recipes.glob("*.json")):
        name, version = parse(recipe.name)
        if deployed.get(name) == version:
            continue
        recipe.unlink()
        for folder in stored_versions:
            shutil.rmtree(folder / name / version, ignore_errors=True)
