"""Read signed statements of releases; tools, deployments and cameras share this package.

A statement is a Sigstore bundle (v0.3). Its DSSE envelope contains an in-toto statement with the
predicate of OpenSSF Model Signing v1.0: file names and digests. In a field that other readers of
this format ignore, the predicate also contains the model, the release number, the size of each
file in bytes, and the time until which the release may be accepted.

A rejected statement raises `SignatureRefused`, whose message begins with the name of the prevented
attack. The names are those of The Update Framework (TUF):
https://theupdateframework.io/docs/security/

    bundle.py      verify the signature with a trusted key, and return the statement
    statement.py   the content of a statement
    keys.py        trusted and revoked keys
    releases.py    compare a statement with the pinned and the previously accepted release
    downloads.py   read at most the signed size, within a time limit
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
