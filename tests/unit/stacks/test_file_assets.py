"""A stack's files are staged once, next to the templates, with descriptive keys."""

import hashlib
from pathlib import Path

import pytest
from aws_cdk import App, Environment, Stack, Stage

from stacks.constructs.file_assets import StackFiles, StagedFile

pytestmark = pytest.mark.process

HERE = Environment(account="111111111111", region="eu-central-1")


@pytest.fixture
def files(tmp_path: Path) -> StackFiles:
    return StackFiles(Stack(Stage(App(outdir=str(tmp_path / "out")), "dev", env=HERE), "Stack"))


def written(folder: Path, suffix: str) -> StagedFile:
    path = folder / f"any{suffix}"
    path.write_bytes(b"content")
    return StagedFile(path, hashlib.sha256(b"content").hexdigest(), suffix)


@pytest.mark.parametrize("suffix", [".zip", ".tar.gz"])
def test_a_file_is_linked_and_its_key_keeps_every_suffix(
    files: StackFiles, tmp_path: Path, suffix: str
) -> None:
    file = written(tmp_path, suffix)
    uploaded = files.add(file, "a file")
    assert uploaded.key == f"{file.digest}{suffix}"
    (staged,) = (tmp_path / "out").rglob(f"asset.{file.digest}{suffix}")
    assert staged.samefile(file.path)


def test_a_file_that_is_added_twice_is_one_file(files: StackFiles, tmp_path: Path) -> None:
    file = written(tmp_path, ".zip")
    assert files.add(file, "a file") == files.add(file, "the same file")
    assert len(list((tmp_path / "out").rglob("asset.*"))) == 1
