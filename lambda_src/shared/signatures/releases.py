"""Compare a statement with the pinned release and with the previously accepted release."""

from dataclasses import dataclass
from datetime import datetime

from shared.signatures.attacks import Attack, SignatureRefused
from shared.signatures.keys import TrustedKeys
from shared.signatures.statement import Statement

# The largest accepted increase of the release number. With a larger increase, an attacker could
# exhaust the counter.
LARGEST_STEP = 1000


@dataclass(frozen=True)
class Expected:
    """The release that the environment pins: the model's name and the SHA-256 of its artifact."""

    model: str
    digest: str


@dataclass(frozen=True)
class Accepted:
    """A previously accepted release: its number, its artifact's SHA-256, and the id of its key."""

    release: int
    digest: str
    key: str

    @classmethod
    def of(cls, statement: Statement) -> "Accepted":
        """Return the fields of a statement that are stored for later checks."""
        return cls(statement.release, statement.artifact.digest, statement.key)


def check_expected(statement: Statement, expected: Expected) -> None:
    """Check that the statement describes the pinned artifact.

    Raises:
        SignatureRefused: the statement describes another model, or another artifact of this model.
    """
    if statement.model != expected.model:
        raise SignatureRefused(
            Attack.WRONG_SOFTWARE,
            f"the statement is of model {statement.model!r}, but {expected.model!r} is pinned",
        )
    if statement.artifact.digest != expected.digest:
        raise SignatureRefused(
            Attack.MIX_AND_MATCH,
            f"the statement (release {statement.release}) is of artifact "
            f"{statement.artifact.digest[:12]}…, but {expected.digest[:12]}… is pinned: "
            "statement and artifact are from different releases",
        )


def check_newer(
    statement: Statement, accepted: Accepted | None, trusted: TrustedKeys, now: datetime
) -> None:
    """Check that a statement may follow the accepted release.

    If the key of the accepted release is no longer trusted, the release is ignored. The revocation
    of a stolen key therefore also resets an exhausted counter.

    Raises:
        SignatureRefused: the release number is lower, equal with another artifact, or too high,
            or the statement expired.
    """
    if accepted is not None and accepted.key not in trusted.by_id:
        accepted = None
    if statement.expires is not None and now > statement.expires:
        raise SignatureRefused(
            Attack.INDEFINITE_FREEZE,
            f"release {statement.release} of {statement.model} was valid until "
            f"{statement.expires:%Y-%m-%d %H:%M} UTC; use a newer release, or sign it again "
            "(`deeplens release sign --again`)",
        )
    if accepted is None:
        return
    if statement.release < accepted.release:
        raise SignatureRefused(
            Attack.ROLLBACK,
            f"release {statement.release} of {statement.model} is older than release "
            f"{accepted.release}, which was accepted; to deploy the older artifact, sign it "
            "again (`deeplens release sign --again`)",
        )
    if statement.release == accepted.release and statement.artifact.digest != accepted.digest:
        raise SignatureRefused(
            Attack.MIX_AND_MATCH,
            f"release {statement.release} of {statement.model} was accepted with artifact "
            f"{accepted.digest[:12]}…, but now has {statement.artifact.digest[:12]}…",
        )
    if statement.release > accepted.release + LARGEST_STEP:
        raise SignatureRefused(
            Attack.FAST_FORWARD,
            f"release {statement.release} of {statement.model} is more than {LARGEST_STEP} above "
            f"{accepted.release}, which was accepted: it could block later releases",
        )
