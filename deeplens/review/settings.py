"""Compare the keys of environment files."""

import tomllib
from pathlib import Path
from typing import Any

from deeplens.review.json_diff import ABSENT, differences, short
from deeplens.review.resource_text import PropertyChange


def read_settings(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the content of each environment file in `folder`, by environment.

    Files that are not valid TOML are skipped, because the synthesis reports them.
    """
    contents = {}
    for file in sorted(folder.glob("*.toml")):
        try:
            contents[file.stem] = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError):
            continue
    return contents


def compare_settings(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> tuple[PropertyChange, ...]:
    """Return each key that differs; if a side has no file, return an empty tuple."""
    if before is None or after is None:
        return ()
    return tuple(
        PropertyChange(".".join(change.path), short(change.before), short(change.after))
        for change in differences(before or ABSENT, after or ABSENT)
    )
