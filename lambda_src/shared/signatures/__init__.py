"""Signed statements of what a release is: the same reader in the tools, at deploy, on the camera.

A statement is a Sigstore bundle (v0.3) whose DSSE envelope holds an in-toto statement with the
predicate of OpenSSF Model Signing v1.0: file names and digests. Beside them, where that format asks
readers to ignore what they do not know, it says which release of which model it is, how many bytes
each file has, and until when a release may be taken.

Each refusal is a `SignatureRefused` that begins with the name of the attack that it stops. The
names are those of The Update Framework (TUF): https://theupdateframework.io/docs/security/

    bundle.py      bytes → signature checked by a trusted key → statement
    statement.py   what a statement says
    keys.py        which keys are trusted, which are revoked
    releases.py    a statement against what is expected, and against what was accepted before
    downloads.py   reading no more, and no longer, than was signed
"""

from shared.signatures.attacks import Attack, SignatureRefused
from shared.signatures.bundle import open_bundle
from shared.signatures.downloads import Limits, read_digest, read_whole
from shared.signatures.keys import TrustedKeys, key_id, parse_public_keys
from shared.signatures.releases import (
    Accepted,
    Expected,
    check_expected,
    check_newer,
)
from shared.signatures.statement import SignedFile, Statement

__all__ = [
    "Accepted",
    "Attack",
    "Expected",
    "Limits",
    "SignatureRefused",
    "SignedFile",
    "Statement",
    "TrustedKeys",
    "check_expected",
    "check_newer",
    "key_id",
    "open_bundle",
    "parse_public_keys",
    "read_digest",
    "read_whole",
]
