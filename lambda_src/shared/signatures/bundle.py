"""A Sigstore bundle with a DSSE envelope: its signature first, then what it says.

Sources: sigstore bundle v0.3; DSSE v1.0, protocol.md; OpenSSF Model Signing v1.0, key signatures.
"""

import base64
import binascii
import hashlib
import re
from typing import Any

from shared.artifact.strict_json import parse_json
from shared.signatures.attacks import Attack, SignatureRefused
from shared.signatures.keys import TrustedKeys, load_key
from shared.signatures.statement import Statement

BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
LARGEST_BUNDLE_BYTES = 64 << 10
_KEY_ID = re.compile(r"[0-9a-f]{64}")


def open_bundle(content: bytes, trusted: TrustedKeys) -> Statement:
    """Return what a trusted key signed.

    Raises:
        SignatureRefused: nobody who is trusted signed it, or it is no statement of a release.
    """
    if len(content) > LARGEST_BUNDLE_BYTES:
        raise SignatureRefused(
            Attack.ENDLESS_DATA,
            f"the statement has {len(content)} bytes; at most {LARGEST_BUNDLE_BYTES} are read",
        )
    hint, payload, signature = _parts(content)
    if hint in trusted.revoked:
        raise SignatureRefused(
            Attack.KEY_COMPROMISE,
            f"signed by key {hint[:12]}…, which is revoked; sign it again with a trusted key: "
            f"{_names(trusted)}",
        )
    key = trusted.by_id.get(hint)
    if key is None:
        raise SignatureRefused(
            Attack.ARBITRARY_SOFTWARE,
            f"signed by key {hint[:12]}…, which is not trusted; trusted: {_names(trusted)}",
        )
    digest = hashlib.sha256(pre_authentication_encoding(payload)).digest()
    if not _verifies(load_key(key), digest, signature):
        raise SignatureRefused(
            Attack.ARBITRARY_SOFTWARE,
            f"the signature of key {hint[:12]}… is not one of this statement; it was changed "
            "after it was signed",
        )
    try:
        document = parse_json(payload)
    except ValueError:
        raise SignatureRefused(
            Attack.ARBITRARY_SOFTWARE, "what was signed is no JSON document"
        ) from None
    return Statement.from_document(document, hint)


def pre_authentication_encoding(payload: bytes) -> bytes:
    """Return DSSE's encoding of an in-toto payload: what is signed."""
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def _verifies(key: Any, digest: bytes, signature: bytes) -> bool:
    try:
        return bool(key.verify(digest, signature))
    except Exception:  # noqa: BLE001 - AWS-LC's word for a signature that is none
        return False


def _parts(content: bytes) -> tuple[str, bytes, bytes]:
    """Key id, payload and signature of a bundle, none of them trusted yet."""
    try:
        bundle = parse_json(content)
        envelope = bundle["dsseEnvelope"]
        types = bundle["mediaType"], envelope["payloadType"]
        (signature,) = envelope["signatures"]
        parts = (
            str(bundle["verificationMaterial"]["publicKey"]["hint"]),
            base64.b64decode(envelope["payload"], validate=True),
            base64.b64decode(signature["sig"], validate=True),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise _no_bundle(repr(error)) from None
    if types != (BUNDLE_TYPE, PAYLOAD_TYPE):
        raise _no_bundle(f"its types are {types!r}")
    if not _KEY_ID.fullmatch(parts[0]):
        raise _no_bundle(f"its key id is {parts[0][:80]!r}, expected 64 lower-case hex digits")
    return parts


def _no_bundle(reason: str) -> SignatureRefused:
    return SignatureRefused(
        Attack.ARBITRARY_SOFTWARE,
        f"the statement is no Sigstore bundle v0.3 with one signature: {reason[:200]}",
    )


def _names(trusted: TrustedKeys) -> str:
    return ", ".join(f"{name[:12]}…" for name in sorted(trusted.by_id)) or "none"
