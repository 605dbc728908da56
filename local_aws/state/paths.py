"""The files of the emulator's state, which only their owner can read: it contains secrets."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DEFAULT_STATE = Path(".local") / "aws"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class StatePaths:
    """The files of one emulator; ``root`` is absolute."""

    root: Path

    @property
    def services(self) -> Path:
        """The services' state, one JSON file each."""
        return self.root / "state"

    @property
    def objects(self) -> Path:
        """The S3 objects."""
        return self.root / "s3"

    @property
    def snapshots(self) -> Path:
        """Consistent copies of state and objects, for a start after a kill."""
        return self.root / "snapshots"

    @property
    def ports(self) -> Path:
        """The ports of the last server, which the next server uses again."""
        return self.root / "ports.json"

    @property
    def temporary(self) -> Path:
        """Unpacked Lambda code, which is removed when the server ends."""
        return self.root / "tmp"

    @property
    def containers(self) -> Path:
        """Archives and logs of the containers of SageMaker endpoints in the last run."""
        return self.root / "containers"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.root / "server.log"

    @property
    def endpoint(self) -> Path:
        """The addresses of the running server; absent if none runs."""
        return self.root / "endpoint.json"

    @property
    def ca(self) -> Path:
        """The certificate of the authority that signs certificates of the broker and devices."""
        return self.root / "ca.pem"

    @property
    def lock(self) -> Path:
        """The lock of the server that uses the folder."""
        return self.root / "lock"

    @property
    def clean_marker(self) -> Path:
        """Exists if the last server saved its complete state."""
        return self.root / "clean"

    @property
    def cores(self) -> Path:
        """The virtual core devices of this state."""
        return self.root.parent / "cores"


def make_private(folder: Path) -> None:
    """Create a folder that only its owner can access, and restrict its existing content.

    Files that this process and its children create later are also private.
    """
    os.umask(_OTHERS)
    folder.mkdir(parents=True, exist_ok=True)
    _remove_access_of_others(folder)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _remove_access_of_others(Path(parent, name))


def _remove_access_of_others(path: Path) -> None:
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if mode & _OTHERS and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)
