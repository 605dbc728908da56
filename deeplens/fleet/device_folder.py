"""The folder with a device's four files: private key, certificate, root CA, and configuration."""

import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes

_OWNER_ONLY = 0o700


@dataclass(frozen=True)
class DeviceFolder:
    """The folder of a device's files, which are named as in the AWS guides."""

    path: Path

    @property
    def private_key(self) -> Path:
        """The file of the private key, readable only by its owner."""
        return self.path / "private.pem.key"

    @property
    def certificate(self) -> Path:
        """The file of the device certificate."""
        return self.path / "device.pem.crt"

    @property
    def root_ca(self) -> Path:
        """The file of the CA certificate for the AWS endpoints."""
        return self.path / "AmazonRootCA1.pem"

    @property
    def configuration(self) -> Path:
        """The configuration file of the core software."""
        return self.path / "config.yaml"

    def certificate_id(self) -> str | None:
        """Return the SHA-256 of the certificate, which is its id in AWS IoT.

        The result is None if the file of the certificate or the key is absent, or if the
        certificate cannot be parsed.
        """
        if not (self.certificate.is_file() and self.private_key.is_file()):
            return None
        try:
            certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except ValueError:
            return None
        return certificate.fingerprint(hashes.SHA256()).hex()

    def make(self) -> None:
        """Create the folder if it is absent; only its owner can read the new folder.

        The mode of an existing folder does not change, because other programs may use the folder,
        for example `/tmp`.
        """
        if not self.path.is_dir():
            self.path.mkdir(parents=True)
            self.path.chmod(_OWNER_ONLY)

    def write_private(self, file: Path, content: bytes) -> None:
        """Write a file atomically; its mode is 0600 from the beginning."""
        temporary = file.with_name(f".{file.name}.new")
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        temporary.replace(file)

    def remove(self) -> None:
        """Remove the files, the private key first, and the folder if it is empty."""
        for file in (self.private_key, self.certificate, self.root_ca, self.configuration):
            file.unlink(missing_ok=True)
        if self.path.is_dir() and not any(self.path.iterdir()):
            self.path.rmdir()
