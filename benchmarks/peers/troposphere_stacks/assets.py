"""What functions and components are made of: hashed once, copied once, named by content."""

import hashlib
import os
import shutil
from pathlib import Path

from benchmarks.peers.troposphere_stacks.environment import ROOT, Artifact


class Assets:
    """Files beside the templates, as `asset.<SHA-256>`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hashes: dict[str, str] = {}

    def add_sources(self, name: str) -> str:
        """Copy a folder of lambda_src; return the hash of its content."""
        if name not in self._hashes:
            source = ROOT / "lambda_src" / name
            self._hashes[name] = _fingerprint(source)
            shutil.copytree(
                source,
                self._folder / f"asset.{self._hashes[name]}",
                ignore=shutil.ignore_patterns("__pycache__"),
                dirs_exist_ok=True,
            )
        return self._hashes[name]

    def add_artifact(self, artifact: Artifact) -> str:
        """Link a model's archive; return its hash."""
        staged = self._folder / f"asset.{artifact.digest}.zip"
        if not staged.exists():
            try:
                os.link(artifact.path, staged)
            except OSError:
                shutil.copyfile(artifact.path, staged)
        return artifact.digest


def _fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            content = file.read_bytes()
            digest.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
