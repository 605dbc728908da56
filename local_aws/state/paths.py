"""Where the emulator keeps its things on disk."""

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
