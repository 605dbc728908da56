"""Which keys of an environment's file differ."""

import tomllib
from pathlib import Path
from typing import Any

from deeplens.review.json_diff import ABSENT, differences, short
from deeplens.review.resource_text import PropertyChange


def read_settings(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the content of each environment file in `folder`, by environment.

    A file that is not TOML is left out: its app did not synthesize either.
    """
    found = {}
    for file in sorted(folder.glob("*.toml")):
        try:
            found[file.stem] = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError):
            continue
    return found


def compare_settings(
    before: dict[str, Any] | None, after: dict[str, Any] | None
) -> tuple[PropertyChange, ...]:
    """Return each key that differs; nothing when a side has no file."""
    if before is None or after is None:
        return ()
    return tuple(
        PropertyChange(".".join(one.path), short(one.before), short(one.after))
        for one in differences(before or ABSENT, after or ABSENT)
    )
