"""Which keys an environment trusts, and whether it takes a release."""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class Signing:
    """`[signing]` of an environment file."""

    trusted: TrustedKeys = field(default_factory=TrustedKeys)
    required: bool = False

    @classmethod
    def of(cls, section: dict[str, Any]) -> "Signing":
        """Read the section; raise `SourceError` when its keys are none."""
        keys = section.get("public_keys", [])
        try:
            trusted = TrustedKeys.from_text(
                ",".join(keys), ",".join(section.get("revoked_keys", []))
            )
        except (ArtifactError, TypeError) as error:
            raise SourceError(f"signing.public_keys: {error}") from None
        return cls(trusted, bool(keys) and bool(section.get("required", True)))

    @property
    def is_on(self) -> bool:
        """Whether any key is trusted, or was."""
        return bool(self.trusted.by_id or self.trusted.revoked)


def check_release(
    signing: Signing, artifact: Path, expected: Expected, before: Path | None = None
) -> Statement | None:
    """Check an artifact as an environment will at deploy; None where it asks for no signature.

    Args:
        signing: what the environment trusts.
        artifact: the artifact that it would pin.
        expected: its model and digest.
        before: the artifact that it pins now; a release older than that one's is refused.

    Raises:
        SignatureRefused: it would not be taken; the text begins with the attack.
    """
    statement_is_there = artifact.with_name(STATEMENT_NAME).is_file()
    if not signing.is_on or not (signing.required or statement_is_there):
        return None
    statement = read_statement(artifact, signing.trusted)
    check_expected(statement, expected)
    check_newer(statement, _accepted(before, signing), signing.trusted, datetime.now(UTC))
    return statement


def read_public_keys(given: Iterable[str], revoked: Iterable[str] = ()) -> TrustedKeys:
    """Read PEM files, or keys as environment files have them.

    Raises:
        WrongKeyError: one is not a public key that can be used.
    """
    keys: list[bytes] = []
    for one in given:
        try:
            file = Path(one)
            keys += (
                parse_public_keys(file.read_text(encoding="utf-8-sig"))
                if file.is_file()
                else [base64.b64decode(one, validate=True)]
            )
            TrustedKeys.of(keys)
        except (OSError, UnicodeDecodeError, binascii.Error, ValueError, ArtifactError) as error:
            raise WrongKeyError(f"{one[:80]}: not a public key: {error}") from None
    return TrustedKeys.of(keys, revoked)


def _accepted(before: Path | None, signing: Signing) -> Accepted | None:
    if before is None or not before.with_name(STATEMENT_NAME).is_file():
        return None
    try:
        return Accepted.of(read_statement(before.with_name(ARTIFACT_NAME), signing.trusted))
    except (ArtifactError, SourceError):
        # Signed by a key that is gone, or changed: it is no measure for what follows.
        return None
