"""Tests read the artifact that git pins, regardless of files in the working tree."""

import re
import subprocess
from pathlib import Path

import pytest

from shared.artifact.archive import sha256_of
from testkit.pinned import ROOT, pinned_artifact

pytestmark = pytest.mark.process


def production(root: Path, digest: str) -> None:
    """Pin a digest, and add an artifact with this digest."""
    (root / "environments").mkdir(exist_ok=True)
    text = f'[model]\nname = "shapes"\ndigest = "{digest}"\n'
    (root / "environments/production.toml").write_text(text, encoding="utf-8")
    folder = root / "models/shapes" / digest
    folder.mkdir(parents=True)
    (folder / "model.zip").touch()


def test_a_second_artifact_and_an_uncommitted_pin_change_nothing(tmp_path: Path) -> None:
    production(tmp_path, "b" * 64)
    words = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for more in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message=pin"]):
        subprocess.run([*words, *more], cwd=tmp_path, check=True)
    production(tmp_path, "a" * 64)
    assert pinned_artifact(tmp_path) == tmp_path / "models/shapes" / ("b" * 64) / "model.zip"


def test_without_git_the_pin_is_that_of_the_file(tmp_path: Path) -> None:
    production(tmp_path, "c" * 64)
    assert pinned_artifact(tmp_path).parent.name == "c" * 64


def test_the_pinned_artifact_has_the_digest_of_its_folder() -> None:
    assert sha256_of(pinned_artifact()) == pinned_artifact().parent.name


def test_no_test_takes_whichever_artifact_is_there() -> None:
    whichever = re.compile(r"shapes\"\)\.glob")
    files = [file for file in (ROOT / "tests").rglob("*.py") if file != Path(__file__)]
    assert [str(file) for file in files if whichever.search(file.read_text("utf-8"))] == []
