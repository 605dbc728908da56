"""Files that only their owner can read: the state contains keys and secrets."""

import os
import stat
from contextlib import suppress
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(folder: Path) -> None:
    """Create a folder that only its owner can use, and take others' access to what it contains.

    What this process and its children create from now on is private, too.
    """
    os.umask(_OTHERS)
    folder.mkdir(parents=True, exist_ok=True)
    _take_access(folder)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _take_access(Path(parent, name))


def _take_access(path: Path) -> None:
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if mode & _OTHERS and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
