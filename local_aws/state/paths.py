"""Where the emulator keeps its things on disk.

Files that only their owner can read: the state contains keys and secrets.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DEFAULT_STATE = Path(".local") / "aws"


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
        """The ports of the last server, which the next one takes again."""
        return self.root / "ports.json"

    @property
    def temporary(self) -> Path:
        """Unpacked Lambda code; nothing here outlives the server."""
        return self.root / "tmp"

    @property
    def containers(self) -> Path:
        """Archives and logs of SageMaker endpoints' containers, of the last run."""
        return self.root / "containers"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.root / "server.log"

    @property
    def endpoint(self) -> Path:
        """Where the running server is; absent when none runs."""
        return self.root / "endpoint.json"

    @property
    def ca(self) -> Path:
        """The certificate of the authority that signed the broker's and devices' certificates."""
        return self.root / "ca.pem"

    @property
    def lock(self) -> Path:
        """Locked by the server that uses the folder."""
        return self.root / "lock"

    @property
    def clean_marker(self) -> Path:
        """Present when the last server stopped after saving everything."""
        return self.root / "clean"

    @property
    def cores(self) -> Path:
        """The virtual core devices that belong to this state."""
        return self.root.parent / "cores"


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
