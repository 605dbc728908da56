"""Files next to the templates that name them, without a second copy of their bytes."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import FileAssetPackaging, Stack, Stage


@dataclass(frozen=True)
class StagedFile:
    """A file, its SHA-256 in lower-case hex, and the suffix that its staged name has."""

    path: Path
    digest: str
    suffix: str = ".zip"


@dataclass(frozen=True)
class UploadedFile:
    """Where `cdk deploy` puts a file."""

    bucket: str
    key: str


class StackFiles:
    """The files that the deploy of one stack uploads."""

    def __init__(self, stack: Stack) -> None:
        stage = Stage.of(stack)
        if stage is None:
            raise ValueError("a file is staged for a stack inside a Stage")
        self.stack = stack
        self._synthesizer = stack.synthesizer
        self._folder, self._manifests = Path(stage.asset_outdir), stage.outdir

    def add(self, file: StagedFile, description: str) -> UploadedFile:
        """Stage the file, and add it to the stack's assets."""
        name = f"{file.digest}{file.suffix}"
        staged = self._folder / f"asset.{name}"
        if not staged.exists():
            _link(file.path, staged)
        location = self._synthesizer.add_file_asset(
            # CDK's key adds the last suffix to this, and SageMaker wants both of `.tar.gz`.
            source_hash=Path(name).stem,
            # A relative path lets the assembly travel to another machine.
            file_name=os.path.relpath(staged, self._manifests),
            packaging=FileAssetPackaging.FILE,
            display_name=description,
        )
        return UploadedFile(location.bucket_name, location.object_key)


def _link(file: Path, staged: Path) -> None:
    """Hard-link: no copy, however many environments use it; across file systems it is one copy."""
    try:
        os.link(file, staged)
    except OSError:
        shutil.copyfile(file, staged)
