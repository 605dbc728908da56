"""The heartbeat contains the device's free disk space and memory."""

import os
from pathlib import Path

import pytest

from camera.metrics import disk_space, memory_space
from shared.messages.heartbeat import DiskSpace, MemorySpace


def test_the_disk_is_that_of_the_folder(tmp_path: Path) -> None:
    result = disk_space(tmp_path)
    assert result is not None
    assert 0 <= result.free_bytes <= result.total_bytes
    whole = os.statvfs(tmp_path)
    assert result.total_bytes == whole.f_blocks * whole.f_frsize


def test_blocks_that_are_reserved_for_root_are_not_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports only the blocks that users other than root may use.

    First members of `statvfs_result`: block size, fragment size, blocks, free blocks, free blocks
    for other users.
    """
    file_system = os.statvfs_result((65536, 4096, 1000, 300, 250, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: file_system)
    assert disk_space(tmp_path) == DiskSpace(250 * 4096, 1000 * 4096)


def test_an_artifact_that_does_not_exist_yet_has_the_disk_of_its_folder(tmp_path: Path) -> None:
    absent = disk_space(tmp_path / "packages/artifacts/model/1.0.0/model.zip")
    existing = disk_space(tmp_path)
    assert absent is not None
    assert existing is not None
    assert absent.total_bytes == existing.total_bytes


def test_a_disk_that_cannot_be_queried_is_not_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: object) -> os.statvfs_result:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "statvfs", fails)
    assert disk_space(tmp_path) is None


def test_available_memory_is_the_value_of_the_kernel(tmp_path: Path) -> None:
    file = tmp_path / "meminfo"
    file.write_text("MemTotal:  8000 kB\nMemFree:  100 kB\nMemAvailable:   900 kB\nHugePages: 0\n")
    assert memory_space(file) == MemorySpace(900 * 1024, 8000 * 1024)


def test_this_machine_reports_its_memory() -> None:
    result = memory_space()
    assert result is not None
    assert 0 < result.available_bytes <= result.total_bytes


@pytest.mark.parametrize("text", ["", "MemTotal: 1 kB\n", "MemTotal: x kB\n", "MemTotal:\n", "\n"])
def test_memory_that_cannot_be_read_is_not_reported(tmp_path: Path, text: str) -> None:
    file = tmp_path / "meminfo"
    file.write_text(text)
    assert memory_space(file) is None
    assert memory_space(tmp_path / "absent") is None
