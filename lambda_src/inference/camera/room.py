"""Free disk and memory of the device, for the heartbeat.

A deployment needs room for the next artifacts, next to those of the current release.
"""

import os
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_KIB = 1024


def disk(folder: Path) -> dict[str, int] | None:
    """Return the free and total bytes of the file system of a folder.

    Greengrass keeps every artifact of the device on the file system of the model's. Free bytes are
    those for users other than root. The result is None if the file system cannot be queried.

    Args:
        folder: need not exist: its first existing parent counts.
    """
    existing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    try:
        file_system = os.statvfs(existing or "/")
    except OSError:
        return None
    return {
        "free_bytes": file_system.f_bavail * file_system.f_frsize,
        "total_bytes": file_system.f_blocks * file_system.f_frsize,
    }


def memory(meminfo: Path = _MEMINFO) -> dict[str, int] | None:
    """Return the available and total bytes of the device's memory, or None outside Linux.

    Available memory includes caches that the kernel can drop (`MemAvailable`, proc(5)).
    """
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        kibibytes = {
            name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)
        }
        return {
            "available_bytes": kibibytes["MemAvailable"] * _KIB,
            "total_bytes": kibibytes["MemTotal"] * _KIB,
        }
    except (OSError, ValueError, IndexError, KeyError):
        return None
