"""Verify the signature of a Sigstore bundle with a DSSE envelope, then read its statement.

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
    """Return the statement that a trusted key signed.

    Raises:
        SignatureRefused: the bundle is too large or malformed, no trusted key signed it, or its
            payload is not a statement of a release.
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
            f"the signature of key {hint[:12]}… does not match the statement, which was changed "
            "after it was signed",
        )
    try:
        document = parse_json(payload)
    except ValueError:
        raise SignatureRefused(
            Attack.ARBITRARY_SOFTWARE, "the signed content is not a JSON document"
        ) from None
    return Statement.from_document(document, hint)


def pre_authentication_encoding(payload: bytes) -> bytes:
    """Return the DSSE encoding of an in-toto payload: the bytes that are signed."""
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def _verifies(key: Any, digest: bytes, signature: bytes) -> bool:
    try:
        return bool(key.verify(digest, signature))
    except Exception:  # noqa: BLE001 - AWS-LC raises for malformed signatures
        return False


def _parts(content: bytes) -> tuple[str, bytes, bytes]:
    """Return the key id, payload and signature of a bundle, which are still untrusted."""
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
        raise _malformed(repr(error)) from None
    if types != (BUNDLE_TYPE, PAYLOAD_TYPE):
        raise _malformed(f"its types are {types!r}")
    if not _KEY_ID.fullmatch(parts[0]):
        raise _malformed(f"its key id is {parts[0][:80]!r}, expected 64 lower-case hex digits")
    return parts


def _malformed(reason: str) -> SignatureRefused:
    return SignatureRefused(
        Attack.ARBITRARY_SOFTWARE,
        f"the statement is not a Sigstore bundle v0.3 with one signature: {reason[:200]}",
    )


def _names(trusted: TrustedKeys) -> str:
    return ", ".join(f"{name[:12]}…" for name in sorted(trusted.by_id)) or "none"
