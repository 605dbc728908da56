"""Attacks on update systems, with the names of The Update Framework (TUF)."""

from enum import StrEnum

from shared.artifact.errors import ArtifactError


class Attack(StrEnum):
    """An attack that is prevented by the rejection of a release."""

    ARBITRARY_SOFTWARE = "arbitrary software installation"
    ENDLESS_DATA = "endless data"
    EXTRANEOUS_DEPENDENCIES = "extraneous dependencies"
    FAST_FORWARD = "fast-forward"
    INDEFINITE_FREEZE = "indefinite freeze"
    MALICIOUS_MIRROR = "malicious mirror preventing updates"
    MIX_AND_MATCH = "mix-and-match"
    ROLLBACK = "rollback"
    SLOW_RETRIEVAL = "slow retrieval"
    KEY_COMPROMISE = "vulnerability to key compromises"
    WRONG_SOFTWARE = "wrong software installation"


class SignatureRefused(ArtifactError):  # noqa: N818 - named after the event
    """Raised if a release is rejected; the message begins with the name of the prevented attack."""

    def __init__(self, attack: Attack, reason: str) -> None:
        super().__init__(f"{attack}: {reason}")
        self.attack = attack
