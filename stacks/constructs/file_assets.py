"""File assets that are hard-linked into the cloud assembly instead of copied."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import FileAssetPackaging, Stack, Stage


@dataclass(frozen=True)
class StagedFile:
    """A file, its SHA-256 in lower-case hexadecimal digits, and the suffix of its staged name."""

    path: Path
    digest: str
    suffix: str = ".zip"


@dataclass(frozen=True)
class UploadedFile:
    """The location to which `cdk deploy` uploads a file."""

    bucket: str
    key: str


class StackFiles:
    """The files that the deployment of one stack uploads."""

    def __init__(self, stack: Stack) -> None:
        stage = Stage.of(stack)
        if stage is None:
            raise ValueError("the stack is not in a Stage: expected one, for its asset folder")
        self.stack = stack
        self._synthesizer = stack.synthesizer
        self._folder, self._manifests = Path(stage.asset_outdir), stage.outdir

    def add(self, file: StagedFile, description: str) -> UploadedFile:
        """Stage the file, add it to the assets of the stack, and return its location."""
        name = f"{file.digest}{file.suffix}"
        staged = self._folder / f"asset.{name}"
        if not staged.exists():
            _link(file.path, staged)
        location = self._synthesizer.add_file_asset(
            # CDK appends only the last suffix to the key, but SageMaker requires both suffixes of
            # `.tar.gz`.
            source_hash=Path(name).stem,
            # With a relative path, the assembly can be moved to another machine.
            file_name=os.path.relpath(staged, self._manifests),
            packaging=FileAssetPackaging.FILE,
            display_name=description,
        )
        return UploadedFile(location.bucket_name, location.object_key)


def _link(file: Path, staged: Path) -> None:
    """Create a hard link to a file, or a copy if the file is on another file system."""
    try:
        os.link(file, staged)
    except OSError:
        shutil.copyfile(file, staged)
