"""The attacks on an update system, by the names that TUF gives them."""

from enum import StrEnum

from shared.artifact.errors import VisionError


class Attack(StrEnum):
    """What a refusal stops."""

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


class SignatureRefused(VisionError):  # noqa: N818 - says what happened
    """A release that must not be taken; the text begins with the attack that it could be."""

    def __init__(self, attack: Attack, reason: str) -> None:
        super().__init__(f"{attack}: {reason}")
        self.attack = attack
