"""A file next to the templates that name it, without a second copy of its bytes."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Stage


@dataclass(frozen=True)
class StagedFile:
    """A file, and its SHA-256 in lower-case hex."""

    path: Path
    digest: str


def stage_beside_templates(stage: Stage | None, file: StagedFile, suffix: str = ".zip") -> str:
    """Hard-link the file into the cloud assembly; return its path as a manifest has it.

    A relative path lets the assembly travel to another machine; a hard link costs no copy
    however many environments use the file. Across file systems it is copied once.
    """
    if stage is None:
        raise ValueError("a file is staged for a stack inside a Stage")
    folder = Path(stage.asset_outdir)
    staged = folder / f"asset.{file.digest}{suffix}"
    if not staged.exists():
        try:
            os.link(file.path, staged)
        except OSError:
            shutil.copyfile(file.path, staged)
    return os.path.relpath(staged, stage.outdir)
