"""The keys that an environment trusts, and the check of a release with these keys."""

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from deeplens.config import SigningConfig
from deeplens.releases.signing.releases import STATEMENT_NAME, read_statement
from model_tools.artifact.archive import ARTIFACT_NAME
from model_tools.errors import SourceError, WrongKeyError
from shared.artifact.errors import ArtifactError
from shared.signatures import (
    Accepted,
    Expected,
    Statement,
    TrustedKeys,
    check_expected,
    check_newer,
    parse_public_keys,
)


def check_release(
    signing: SigningConfig, artifact: Path, expected: Expected, before: Path | None = None
) -> Statement | None:
    """Check an artifact as a deploy does; return its statement, or None if none is required.

    Args:
        signing: the section `[signing]` of the environment.
        artifact: the artifact to pin.
        expected: the model and digest of the artifact.
        before: the currently pinned artifact, whose release must not be newer; None to skip this
            check.

    Raises:
        SignatureRefused: a deploy would reject the artifact; the message begins with the possible
            attack.
        SourceError: the artifact is not valid, or a trusted key is not a point on its curve.
    """
    statement_is_there = artifact.with_name(STATEMENT_NAME).is_file()
    if not signing.is_on or not (signing.required or statement_is_there):
        return None
    trusted = _trusted_keys(signing)
    statement = read_statement(artifact, trusted)
    check_expected(statement, expected)
    check_newer(statement, _accepted(before, trusted), trusted, datetime.now(UTC))
    return statement


def read_public_keys(given: Iterable[str], revoked: Iterable[str] = ()) -> TrustedKeys:
    """Return public keys from PEM files, or from base64 text as in environment files.

    `revoked` contains the ids of keys that are no longer trusted.

    Raises:
        WrongKeyError: a value is not a usable public key.
    """
    keys: list[bytes] = []
    for key in given:
        try:
            file = Path(key)
            keys += (
                parse_public_keys(file.read_text(encoding="utf-8-sig"))
                if file.is_file()
                else [base64.b64decode(key, validate=True)]
            )
            TrustedKeys.of(keys)
        except (OSError, UnicodeDecodeError, binascii.Error, ValueError, ArtifactError) as error:
            raise WrongKeyError(f"{key[:80]}: not a public key: {error}") from None
    return TrustedKeys.of(keys, revoked)


def _trusted_keys(signing: SigningConfig) -> TrustedKeys:
    try:
        return TrustedKeys.from_text(",".join(signing.public_keys), ",".join(signing.revoked_keys))
    except ArtifactError as error:
        raise SourceError(f"signing.public_keys: {error}") from None


def _accepted(before: Path | None, trusted: TrustedKeys) -> Accepted | None:
    if before is None or not before.with_name(STATEMENT_NAME).is_file():
        return None
    try:
        return Accepted.of(read_statement(before.with_name(ARTIFACT_NAME), trusted))
    except (ArtifactError, SourceError):
        # The release number of the previous artifact does not apply, because its files changed or
        # its key is no longer trusted.
        return None
