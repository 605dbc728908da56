"""Compare the code of a function by files instead of asset hashes."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_LISTED = 5


def code_diff(
    before: Any, assets_before: Mapping[str, Path], after: Any, assets_after: Mapping[str, Path]
) -> str:
    """Return a sentence about the change of a Lambda function's `Code`; empty if both are equal.

    Args:
        before: the property `Code` of the previous side.
        assets_before: the staged assets of the previous side, by their hash.
        after: the property `Code` of the new side.
        assets_after: the staged assets of the new side, by their hash.
    """
    if before == after:
        return ""
    old, new = _asset(before, assets_before), _asset(after, assets_after)
    if old is None or new is None:
        return "Function code changed: yes."
    old_files, new_files = _files(old), _files(new)
    changed = [
        f"{sign} {name}"
        for name in sorted(old_files.keys() | new_files.keys())
        if (sign := _sign(old_files.get(name), new_files.get(name)))
    ]
    if not changed:
        return "Function code changed: no (the same files)."
    more = f" and {len(changed) - _LISTED} more" if len(changed) > _LISTED else ""
    files = "1 file" if len(changed) == 1 else f"{len(changed)} files"
    return f"Function code changed: yes, {files}: {', '.join(changed[:_LISTED])}{more}."


def _asset(code: Any, assets: Mapping[str, Path]) -> Path | None:
    key = code.get("S3Key") if isinstance(code, Mapping) else None
    path = assets.get(key.partition(".")[0]) if isinstance(key, str) else None
    return path if path and path.exists() else None


def _files(asset: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of an asset, by the path in the asset."""
    if asset.is_dir():
        return {
            file.relative_to(asset).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in asset.rglob("*")
            if file.is_file()
        }
    if zipfile.is_zipfile(asset):
        with zipfile.ZipFile(asset) as archive:
            return {
                name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()
            }
    return {asset.name: hashlib.sha256(asset.read_bytes()).hexdigest()}


def _sign(before: str | None, after: str | None) -> str:
    if before == after:
        return ""
    return "+" if before is None else "-" if after is None else "~"
