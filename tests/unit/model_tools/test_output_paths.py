"""Commands check their output path before they start work."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from model_tools.cli.main import main
from model_tools.output_paths import why_unwritable


def test_a_folder_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    assert why_unwritable(tmp_path / "a/b", 1) is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "archive.tar.gz").touch()
    assert why_unwritable(tmp_path / "archive.tar.gz", 1) is None


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(os.ST_RDONLY, "its file system is read-only"), (0, "permission denied")],
)
def test_a_folder_that_cannot_be_written_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: int, expected: str
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=flags))
    folder = tmp_path / "models"
    assert why_unwritable(folder, 1) == f"{folder} cannot be written: {expected}"


def test_a_full_disk_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=3 * 1024 * 1024))
    problem = why_unwritable(tmp_path, 50)
    assert problem is not None
    assert problem.endswith("expected 50 MiB of free space, got 3 MiB")


@pytest.mark.parametrize(
    "command",
    [
        "train shapes --models {}",
        "train headpose --output {}",
        "train iris --output {}",
        "freeze model.pb {}",
        "package frozen --labels labels.txt --name any --models {}",
        "package frozen --labels labels.txt --name any --tar {}",
        "host-package export {}",
        "predict model.zip image.png --annotate {}",
        "bench model.zip --plot {}",
        "verify model.zip --report {}",
        "inspect model.pb --tensorboard {}",
        "scenes {}",
    ],
)
def test_each_command_that_writes_checks_its_output_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, command.format("file/output").split())
    assert result.exit_code == 2, result.output
    assert f"file/output cannot be written: {tmp_path}/file is not a folder" in " ".join(
        result.output.split()
    )


def test_training_checks_the_folder_of_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".local").touch()
    result = CliRunner().invoke(main, ["train", "shapes"])
    assert result.exit_code == 1
    assert "Error: .local/training cannot be written" in result.output
