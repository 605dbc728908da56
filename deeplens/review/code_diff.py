"""Whether a function's code changed, said by its files instead of an asset's hash."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NAMED = 5


def code_change(
    before: Any, assets_before: Mapping[str, Path], after: Any, assets_after: Mapping[str, Path]
) -> str:
    """Return a sentence on what changed in a Lambda function's `Code`, empty for nothing.

    Args:
        before: the property `Code` of the one side.
        assets_before: where the staged assets of the one side are, by their hash.
        after: the property `Code` of the other side.
        assets_after: where the staged assets of the other side are, by their hash.
    """
    if before == after:
        return ""
    old, new = _asset(before, assets_before), _asset(after, assets_after)
    if old is None or new is None:
        return "Function code changed: yes."
    was, is_ = _files(old), _files(new)
    changed = [
        f"{sign} {name}"
        for name in sorted(was.keys() | is_.keys())
        if (sign := _sign(was.get(name), is_.get(name)))
    ]
    if not changed:
        return "Function code changed: no (the same files)."
    more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    files = "1 file" if len(changed) == 1 else f"{len(changed)} files"
    return f"Function code changed: yes, {files}: {', '.join(changed[:_NAMED])}{more}."


def _asset(code: Any, assets: Mapping[str, Path]) -> Path | None:
    key = code.get("S3Key") if isinstance(code, Mapping) else None
    path = assets.get(key.partition(".")[0]) if isinstance(key, str) else None
    return path if path and path.exists() else None


def _files(asset: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of an asset, by its path in it."""
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
