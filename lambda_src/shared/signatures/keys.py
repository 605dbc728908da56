"""Which keys may sign: ECDSA on P-256, several at once, so that one can follow another."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from shared.artifact.errors import VisionError

_PEM = re.compile(
    r"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END PUBLIC KEY-----", re.ASCII
)
_PEM_LINE_CHARACTERS = 64
_LARGEST_KEY_BYTES = 1024
_P256_COORDINATE_BYTES = 32


class KeyUnusable(VisionError):  # noqa: N818 - says what is wrong
    """What was given is no public key of this kind."""


@dataclass(frozen=True)
class TrustedKeys:
    """Public keys by their id, as DER (SubjectPublicKeyInfo), and ids that were revoked."""

    by_id: dict[str, bytes] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, keys: Iterable[bytes], revoked: Iterable[str] = ()) -> Self:
        """Trust `keys`, but none whose id is revoked.

        Raises:
            KeyUnusable: one is no ECDSA P-256 public key.
        """
        gone = frozenset(revoked)
        known = {key_id(key): key for key in keys}
        for key in known.values():
            load_key(key)
        return cls({name: key for name, key in known.items() if name not in gone}, gone)

    @classmethod
    def from_text(cls, keys: str, revoked: str = "") -> Self:
        """Read comma-separated base64 of DER, and comma-separated ids; as settings carry them."""
        try:
            given = [base64.b64decode(one, validate=True) for one in keys.split(",") if one]
        except (binascii.Error, ValueError):
            raise KeyUnusable(f"{keys[:40]!r}…: is not base64 of public keys") from None
        return cls.of(given, (one for one in revoked.split(",") if one))


def parse_public_keys(pem: str) -> list[bytes]:
    """Return every public key of a PEM file as DER.

    Raises:
        KeyUnusable: there is none, or one is no ECDSA P-256 key.
    """
    try:
        keys = [base64.b64decode("".join(one.split()), validate=True) for one in _PEM.findall(pem)]
    except (binascii.Error, ValueError):
        raise KeyUnusable("its PEM is broken") from None
    if not keys:
        raise KeyUnusable(
            "holds no '-----BEGIN PUBLIC KEY-----'; `deeplens release keys public` writes one"
        )
    for key in keys:
        load_key(key)
    return keys


def key_id(key: bytes) -> str:
    """Return the id of a public key (DER): SHA-256 of its PEM, as model-signing's `hint`."""
    text = base64.b64encode(key).decode()
    lines = [text[at : at + _PEM_LINE_CHARACTERS] for at in range(0, len(text), 64)]
    pem = "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])
    return hashlib.sha256(pem.encode()).hexdigest()


def load_key(key: bytes) -> Any:
    """Return AWS-LC's key of a DER; raise `KeyUnusable` unless it is ECDSA P-256."""
    # Only who verifies needs it.
    from awscrt.crypto import EC  # noqa: PLC0415 - see above

    expected = "expected an ECDSA public key on the curve P-256 (prime256v1)"
    if len(key) > _LARGEST_KEY_BYTES:
        raise KeyUnusable(f"{len(key)} bytes: {expected}")
    try:
        loaded = EC.new_key_from_der_data(key)
        width = len(loaded.get_public_coords().x)
    except Exception:  # noqa: BLE001 - the library raises AWS-LC's error number
        raise KeyUnusable(f"{len(key)} bytes that are not such a key: {expected}") from None
    if width != _P256_COORDINATE_BYTES:
        raise KeyUnusable(f"a curve of {8 * width} bits: {expected}")
    return loaded
