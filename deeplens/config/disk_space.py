"""The free disk space that a device needs for its next release, derived from the pinned files."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

from deeplens.config.artifact import ModelArtifact
from deeplens.config.runtime import RuntimeArchive

_MIB = 1 << 20
# The space for releases as a multiple of the release's size: the next release, estimated as large
# as the current one, and the files of a failed deployment.
_RELEASES = 2
# Disk space relative to the archive's size: the archive, its unpacked wheels, and the installed
# environment. Measured for amd64 on 2026-12-01: 144 MiB, 144 MiB and 422 MiB.
_RUNTIME_FACTOR = 5
# The lowest threshold of the alarm, in MiB. Nucleus classic needs 20 MiB of free disk space for a
# download, and the camera leaves 128 MiB free.
_LEAST_MIB = 256
# The step of the threshold, in MiB. The threshold is rounded up, so that a model of similar size
# does not change the alarm.
_STEP_MIB = 64


def least_free_disk_mib(artifact: ModelArtifact, runtimes: Sequence[RuntimeArchive]) -> int:
    """Return the free disk space, in MiB, below which the download of the next release can fail.

    Greengrass stores each archive and its unpacked files. The files of the current release are
    already stored, so they do not count.

    Args:
        artifact: the pinned model.
        runtimes: the pinned archives by architecture; a device has one of them, so the largest
            counts.
    """
    model = artifact.path.stat().st_size + _unpacked_bytes(artifact.path)
    runtime = max((archive.path.stat().st_size for archive in runtimes), default=0)
    needed = _RELEASES * model + _RUNTIME_FACTOR * runtime
    steps = -(-needed // (_STEP_MIB * _MIB))
    return max(_LEAST_MIB, steps * _STEP_MIB)


def _unpacked_bytes(archive: Path) -> int:
    with zipfile.ZipFile(archive) as opened:
        return sum(entry.file_size for entry in opened.infolist())
