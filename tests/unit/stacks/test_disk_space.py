"""The free disk space that the next release needs is computed from the pinned files."""

import zipfile
from pathlib import Path

import pytest

from deeplens.config import ModelArtifact, RuntimeArchive, least_free_disk_mib

MIB = 1 << 20


def artifact(
    folder: Path, unpacked_mib: int, compression: int = zipfile.ZIP_STORED
) -> ModelArtifact:
    path = folder / "model.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("frozen_model.pb", bytes(unpacked_mib * MIB))
    return ModelArtifact(path, "model", "1.0.0", "0" * 64)


def runtime(folder: Path, architecture: str, size_mib: int) -> RuntimeArchive:
    path = folder / f"{architecture}.zip"
    with path.open("wb") as file:
        # Only the size matters, so the file is sparse.
        file.truncate(size_mib * MIB)
    return RuntimeArchive(architecture, "0" * 64, path)


def test_a_small_model_has_the_least_threshold(tmp_path: Path) -> None:
    assert least_free_disk_mib(artifact(tmp_path, 1), ()) == 256


def test_a_model_counts_packed_and_unpacked_twice(tmp_path: Path) -> None:
    assert least_free_disk_mib(artifact(tmp_path, 100), ()) == 448  # 400 MiB plus the zip's headers
    packed = artifact(tmp_path, 200, zipfile.ZIP_DEFLATED)
    assert packed.path.stat().st_size < MIB
    assert least_free_disk_mib(packed, ()) == 448  # 400 MiB of graph plus a small archive


@pytest.mark.parametrize(("size_mib", "expected"), [(144, 768), (145, 768), (300, 1536)])
def test_the_largest_runtime_counts_with_its_environment(
    tmp_path: Path, size_mib: int, expected: int
) -> None:
    runtimes = [runtime(tmp_path, "aarch64", 10), runtime(tmp_path, "amd64", size_mib)]
    assert least_free_disk_mib(artifact(tmp_path, 1), runtimes) == expected


def test_a_larger_model_never_has_a_smaller_threshold(tmp_path: Path) -> None:
    thresholds = [least_free_disk_mib(artifact(tmp_path, size), ()) for size in range(0, 161, 16)]
    assert thresholds == sorted(thresholds)
    assert all(threshold % 64 == 0 for threshold in thresholds)
