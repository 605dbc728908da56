"""An artifact next to the templates that name it, without a second copy of its bytes."""

import os
import shutil
from pathlib import Path

from aws_cdk import Stage

from stacks.config import ModelArtifact


def stage_beside_templates(stage: Stage | None, artifact: ModelArtifact) -> str:
    """Hard-link the artifact into the cloud assembly; return its path as a manifest has it.

    A relative path lets the assembly travel to another machine; a hard link costs no copy
    however many environments use the artifact. Across file systems it is copied once.
    """
    if stage is None:
        raise ValueError("an artifact is staged for a stack inside a Stage")
    folder = Path(stage.asset_outdir)
    staged = folder / f"asset.{artifact.digest}.zip"
    if not staged.exists():
        try:
            os.link(artifact.path, staged)
        except OSError:
            shutil.copyfile(artifact.path, staged)
    return os.path.relpath(staged, stage.outdir)
