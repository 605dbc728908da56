"""The files of the emulator's state, readable only by their owner because they contain secrets."""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DEFAULT_STATE = Path(".local") / "aws"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class StatePaths:
    """The paths of one emulator's files; ``root`` is absolute."""

    root: Path

    @property
    def services(self) -> Path:
        """Return the folder of the services' state, one JSON file for each service."""
        return self.root / "state"

    @property
    def objects(self) -> Path:
        """Return the folder of the S3 objects."""
        return self.root / "s3"

    @property
    def snapshots(self) -> Path:
        """Return the folder of snapshots, which are consistent copies of state and objects."""
        return self.root / "snapshots"

    @property
    def ports(self) -> Path:
        """Return the file with the ports of the last server, which the next server reuses."""
        return self.root / "ports.json"

    @property
    def temporary(self) -> Path:
        """Return the folder of unpacked Lambda code, which is removed when the server ends."""
        return self.root / "tmp"

    @property
    def containers(self) -> Path:
        """Return the folder for archives and logs of SageMaker containers in the last run."""
        return self.root / "containers"

    @property
    def log(self) -> Path:
        """Return the path of the server's log."""
        return self.root / "server.log"

    @property
    def endpoint(self) -> Path:
        """Return the file with the addresses of the running server, if a server is running."""
        return self.root / "endpoint.json"

    @property
    def ca(self) -> Path:
        """Return the CA certificate's file; the CA signs certificates of the broker and devices."""
        return self.root / "ca.pem"

    @property
    def lock(self) -> Path:
        """Return the lock file of the server that uses the folder."""
        return self.root / "lock"

    @property
    def clean_marker(self) -> Path:
        """Return the file that exists if the last server saved its complete state."""
        return self.root / "clean"

    @property
    def cores(self) -> Path:
        """Return the folder of the virtual core devices."""
        return self.root.parent / "cores"


def make_private(folder: Path) -> None:
    """Create a folder that only its owner can access, and restrict its existing content.

    Files that this process and its child processes create later are also private.
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
