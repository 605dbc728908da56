"""The ports of the server, stored so that devices can reach the next server."""

import json
import socket
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

LOOPBACK = "127.0.0.1"
_PORTS = 65_536


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one server; 0 selects any free port."""

    gateway: int = 0
    mqtt: int = 0
    device: int = 0

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read the ports of the last server; return zeros if they are unknown."""
        try:
            ports = {name: int(port) for name, port in json.loads(file.read_text()).items()}
            valid = all(port in range(_PORTS) for port in ports.values())
            return cls(**ports) if valid else cls()
        except (OSError, ValueError, TypeError, AttributeError):
            return cls()

    def write(self, file: Path) -> None:
        """Write the ports to a file for the next server."""
        partial = file.with_suffix(".tmp")
        partial.write_text(json.dumps(asdict(self)) + "\n")
        partial.replace(file)


def listen(port: int) -> socket.socket:
    """Listen on a loopback port, or on a free port if that port is in use."""
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError:
        return socket.create_server((LOOPBACK, 0))


def free(port: int) -> int:
    """Return the port if it is free, otherwise another free port."""
    with listen(port) as probe:
        free_port: int = probe.getsockname()[1]
        return free_port


def moved(before: Ports, now: Ports) -> str | None:
    """Return a message about ports that were in use and therefore changed; None without changes."""
    taken = [
        str(getattr(before, port.name))
        for port in fields(Ports)
        if getattr(before, port.name) not in {0, getattr(now, port.name)}
    ]
    if not taken:
        return None
    return (
        f"emulator: port {' and '.join(taken)} is in use by another program; the emulator listens "
        "on other ports, so restart the cameras that are running"
    )
