"""The server's ports, kept in the state: devices that run find the next server again."""

import json
import socket
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

LOOPBACK = "127.0.0.1"
_PORTS = 65_536


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one server; 0 is any free port."""

    gateway: int = 0
    mqtt: int = 0
    device: int = 0

    @classmethod
    def read(cls, file: Path) -> Self:
        """Return the ports of the last server, or zeros if they are not known."""
        try:
            found = {name: int(port) for name, port in json.loads(file.read_text()).items()}
            known = all(port in range(_PORTS) for port in found.values())
            return cls(**found) if known else cls()
        except (OSError, ValueError, TypeError, AttributeError):
            return cls()

    def write(self, file: Path) -> None:
        """Write the file for the next server."""
        partial = file.with_suffix(".tmp")
        partial.write_text(json.dumps(asdict(self)) + "\n")
        partial.replace(file)


def listen(port: int) -> socket.socket:
    """Listen on a loopback port, or on a free one if it is taken."""
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError:
        return socket.create_server((LOOPBACK, 0))


def free(port: int) -> int:
    """Return the port if nothing listens on it, or another one that is free."""
    with listen(port) as probe:
        found: int = probe.getsockname()[1]
        return found


def moved(before: Ports, now: Ports) -> str | None:
    """Return a line about the ports that were taken, or None."""
    taken = [
        str(getattr(before, one.name))
        for one in fields(Ports)
        if getattr(before, one.name) not in {0, getattr(now, one.name)}
    ]
    if not taken:
        return None
    return (
        f"local-aws: port {' and '.join(taken)} is in use by another program; the emulator listens "
        "on other ports, so cameras that are running must be started again"
    )
