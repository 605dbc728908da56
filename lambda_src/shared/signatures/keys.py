"""Trusted keys (ECDSA on P-256); several keys are valid at once, which allows key rotation."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from shared.artifact.errors import ArtifactError

_PEM = re.compile(
    r"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----", re.ASCII
)
_PEM_LINE_CHARACTERS = 64
_LARGEST_KEY_BYTES = 1024
_P256_COORDINATE_BYTES = 32


class KeyUnusable(ArtifactError):  # noqa: N818 - named after the problem
    """Raised if a value is not an ECDSA P-256 public key."""


@dataclass(frozen=True)
class TrustedKeys:
    """Public keys by id, as DER (SubjectPublicKeyInfo), and the ids of revoked keys."""

    by_id: dict[str, bytes] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, keys: Iterable[bytes], revoked: Iterable[str] = ()) -> Self:
        """Return trusted keys: `keys` except keys with a revoked id.

        Raises:
            KeyUnusable: a key, revoked or not, is not an ECDSA P-256 public key.
        """
        revoked_ids = frozenset(revoked)
        by_id = {key_id(key): key for key in keys}
        for key in by_id.values():
            load_key(key)
        trusted = {name: key for name, key in by_id.items() if name not in revoked_ids}
        return cls(trusted, revoked_ids)

    @classmethod
    def from_text(cls, keys: str, revoked: str = "") -> Self:
        """Parse two comma-separated settings: keys (base64 of DER), and the ids of revoked keys.

        Raises:
            KeyUnusable: a key is not valid base64, or is not an ECDSA P-256 public key.
        """
        try:
            decoded = [base64.b64decode(key, validate=True) for key in keys.split(",") if key]
        except (binascii.Error, ValueError):
            raise KeyUnusable(
                f"{keys[:40]!r}…: expected comma-separated base64 of public keys"
            ) from None
        return cls.of(decoded, (name for name in revoked.split(",") if name))


def parse_public_keys(pem: str) -> list[bytes]:
    """Return every public key of a PEM file as DER.

    Raises:
        KeyUnusable: the file has no key, or a key is not a valid ECDSA P-256 key.
    """
    try:
        keys = [
            base64.b64decode("".join(block.split()), validate=True) for block in _PEM.findall(pem)
        ]
    except (binascii.Error, ValueError):
        raise KeyUnusable("its PEM is not valid base64") from None
    if not keys:
        raise KeyUnusable(
            "does not contain '-----BEGIN PUBLIC KEY-----'; `deeplens release keys public` "
            "writes a file with it"
        )
    for key in keys:
        load_key(key)
    return keys


def key_id(key: bytes) -> str:
    """Return the id of a public key (DER): the SHA-256 of its PEM, like model-signing's `hint`."""
    text = base64.b64encode(key).decode()
    lines = [text[at : at + _PEM_LINE_CHARACTERS] for at in range(0, len(text), 64)]
    pem = "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])
    return hashlib.sha256(pem.encode()).hexdigest()


def load_key(key: bytes) -> Any:
    """Load a key (DER) with AWS-LC; raise `KeyUnusable` if it is not ECDSA P-256."""
    from awscrt.crypto import EC  # noqa: PLC0415 - only verification uses it

    expected = "expected an ECDSA public key on the curve P-256 (prime256v1)"
    if len(key) > _LARGEST_KEY_BYTES:
        raise KeyUnusable(f"{len(key)} bytes: {expected}")
    try:
        loaded = EC.new_key_from_der_data(key)
        width = len(loaded.get_public_coords().x)
    except Exception:  # noqa: BLE001 - the library raises AWS-LC's error number
        raise KeyUnusable(f"{len(key)} bytes that are not a valid key: {expected}") from None
    if width != _P256_COORDINATE_BYTES:
        raise KeyUnusable(f"a curve of {8 * width} bits: {expected}")
    return loaded
