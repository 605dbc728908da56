"""Temporary files of a synthesis, deleted when the process ends."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp


def temporary_file(name: str) -> Path:
    """Return a path that ends in `name`, in a new folder that is deleted when the process ends."""
    return Path(mkdtemp(dir=_folder().name)) / name


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="deeplens-synthesis-")
