"""A statement against what is expected here, and against what was accepted before."""

from dataclasses import dataclass
from datetime import datetime

from shared.signatures.attacks import Attack, SignatureRefused
from shared.signatures.keys import TrustedKeys
from shared.signatures.statement import Statement

# No team signs more between two deploys; beyond it somebody uses up the counter.
LARGEST_STEP = 1000


@dataclass(frozen=True)
class Expected:
    """What the environment pins: a model's name, and the SHA-256 of its artifact."""

    model: str
    digest: str


@dataclass(frozen=True)
class Accepted:
    """A release that was taken before: its counter, its artifact, and who signed it."""

    release: int
    digest: str
    key: str

    @classmethod
    def of(cls, statement: Statement) -> "Accepted":
        """What is remembered of a statement."""
        return cls(statement.release, statement.artifact.digest, statement.key)


def check_expected(statement: Statement, expected: Expected) -> None:
    """Check that the statement is of the very artifact that is pinned.

    Raises:
        SignatureRefused: it is of another model, or of another artifact of this model.
    """
    if statement.model != expected.model:
        raise SignatureRefused(
            Attack.WRONG_SOFTWARE,
            f"the statement is of model {statement.model!r}, {expected.model!r} is pinned",
        )
    if statement.artifact.digest != expected.digest:
        raise SignatureRefused(
            Attack.MIX_AND_MATCH,
            f"the statement (release {statement.release}) is of artifact "
            f"{statement.artifact.digest[:12]}…, {expected.digest[:12]}… is pinned: statement and "
            "artifact are of two releases",
        )


def check_newer(
    statement: Statement, accepted: Accepted | None, trusted: TrustedKeys, now: datetime
) -> None:
    """Check that a statement may follow what was accepted.

    What a key signed that is not trusted any more counts no longer: so a counter that its thief
    used up comes back.

    Raises:
        SignatureRefused: it is older, is as old and of other bytes, jumps too far, or expired.
    """
    if accepted is not None and accepted.key not in trusted.by_id:
        accepted = None
    if statement.expires is not None and now > statement.expires:
        raise SignatureRefused(
            Attack.INDEFINITE_FREEZE,
            f"release {statement.release} of {statement.model} could be taken until "
            f"{statement.expires:%Y-%m-%d %H:%M} UTC; a newer one exists, or sign it again "
            "(`deeplens release sign --again`)",
        )
    if accepted is None:
        return
    if statement.release < accepted.release:
        raise SignatureRefused(
            Attack.ROLLBACK,
            f"release {statement.release} of {statement.model} is older than release "
            f"{accepted.release}, which was accepted; to go back on purpose sign the older "
            "artifact again (`deeplens release sign --again`)",
        )
    if statement.release == accepted.release and statement.artifact.digest != accepted.digest:
        raise SignatureRefused(
            Attack.MIX_AND_MATCH,
            f"release {statement.release} of {statement.model} was accepted with artifact "
            f"{accepted.digest[:12]}…, now it has {statement.artifact.digest[:12]}…",
        )
    if statement.release > accepted.release + LARGEST_STEP:
        raise SignatureRefused(
            Attack.FAST_FORWARD,
            f"release {statement.release} of {statement.model} is more than {LARGEST_STEP} above "
            f"{accepted.release}, which was accepted: no later one could follow",
        )
