"""Packaging is reproducible, and a pin changes one line."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from deeplens.releases.pin import PinError, pin_model
from model_tools.artifact.archive import package, package_tar
from shared.artifact.errors import ManifestError
from tests.unit.model_tools.descriptions import detector

ROOT = Path(__file__).parents[3]


SCRIPT = """
import os, sys
from pathlib import Path
from tests.unit.model_tools.descriptions import detector
from model_tools.artifact.archive import package, package_tar
os.umask(int(sys.argv[2], 8))
folder = Path(sys.argv[1])
print(package(folder, detector(), b"graph" * 99, {1: "ä"}).digest)
print(package_tar(folder, detector(), b"graph" * 99, {1: "ä"}).digest)
"""


@pytest.mark.process
def test_the_same_input_gives_the_same_bytes_elsewhere(tmp_path: Path) -> None:
    digests = set()
    for number, (zone, locale, umask) in enumerate(
        [("UTC", "C.UTF-8", "022"), ("Asia/Tokyo", "C", "077"), ("America/Lima", "POSIX", "002")]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        result = subprocess.run(
            [sys.executable, "-c", SCRIPT, folder, umask],
            cwd=folder,
            env={
                **os.environ,
                "TZ": zone,
                "LC_ALL": locale,
                "PYTHONHASHSEED": str(number),
                "PYTHONPATH": str(ROOT),
            },
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(result.stdout.strip())
    assert len(digests) == 1


def test_an_artifact_is_stored_under_its_digest(tmp_path: Path) -> None:
    packaged = package(tmp_path, detector(), b"g", {1: "a"})
    assert packaged.path == tmp_path / "m" / packaged.digest / "model.zip"
    assert packaged.path.stat().st_size == packaged.size_bytes


def test_a_tar_gz_holds_the_same_files(tmp_path: Path) -> None:
    zipped = package(tmp_path, detector(), b"g", {1: "a"})
    tarred = package_tar(tmp_path, detector(), b"g", {1: "a"})
    with tarfile.open(tarred.path) as tar, zipfile.ZipFile(zipped.path) as archive:
        for name in archive.namelist():
            packed = tar.extractfile(name)
            assert packed is not None
            assert packed.read() == archive.read(name)


def test_what_a_camera_could_not_read_is_not_packaged(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="name: 'No Good'"):
        package(tmp_path, detector(name="No Good"), b"g", {1: "a"})
    assert not list(tmp_path.iterdir())


def test_a_pin_changes_one_line_and_keeps_comments(tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    text = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    assert pin_model(file, "shapes", "f" * 64)
    before, after = text.splitlines(), file.read_text(encoding="utf-8").splitlines()
    changed = [line for line, old in zip(after, before, strict=True) if line != old]
    assert changed == [f'digest = "{"f" * 64}"']
    assert not pin_model(file, "shapes", "f" * 64)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("x = [", "not valid TOML"), ("x = 1", "has no \\[model\\]"), (None, "no such")],
)
def test_a_file_that_cannot_be_pinned_is_left_alone(
    tmp_path: Path, text: str | None, expected: str
) -> None:
    file = tmp_path / "dev.toml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(PinError, match=expected):
        pin_model(file, "shapes", "f" * 64)
    assert text is None or file.read_text(encoding="utf-8") == text
