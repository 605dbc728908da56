"""`endpoint.json`: the addresses of the running emulator, and the root key of its accounts.

Each account has one access key. The key's id is the account number, and its secret is derived from
the root key. The root key changes at each start. Only the owner can read the file.
"""

import hashlib
import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from local_aws.state.paths import StatePaths

_ROOT_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The content of endpoint.json: the process, addresses and root key of a running emulator.

    The addresses are on 127.0.0.1. The last three fields are None unless the emulator serves real
    devices: the port of S3 over TLS, the host name at which devices reach MQTT and HTTPS, and the
    additional listening address.
    """

    pid: int
    endpoint_url: str
    mqtt_host: str
    mqtt_port: int
    device_port: int
    ca_file: str
    root_key: str = field(repr=False)
    s3_port: int | None = None
    device_host: str | None = None
    device_address: str | None = None

    def secret_access_key(self, account: str) -> str:
        """Return the secret access key of an account; the access key id is the account number."""
        return secret_access_key(self.root_key, account)

    def write(self, path: Path) -> None:
        """Write endpoint.json atomically."""
        partial = path.with_suffix(".tmp")
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(json.dumps(asdict(self), indent=2) + "\n")
        partial.replace(path)


def running(paths: StatePaths) -> Endpoint | None:
    """Return the endpoint of the running emulator; None if no emulator is running."""
    try:
        endpoint = Endpoint(**json.loads(paths.endpoint.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return endpoint if is_emulator(endpoint.pid) else None


def is_emulator(pid: int) -> bool:
    """Return whether a process runs this package.

    The process id alone does not identify an emulator, because process ids are reused.
    """
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return b"local_aws" in command and state != "Z"


def new_root_key() -> str:
    """Return a random root key for one start of the emulator."""
    return secrets.token_hex(_ROOT_KEY_BYTES)


def secret_access_key(root_key: str, account: str) -> str:
    """Return an account's secret access key: the hexadecimal HMAC-SHA256 of the account number."""
    return hmac.new(root_key.encode(), account.encode(), hashlib.sha256).hexdigest()
