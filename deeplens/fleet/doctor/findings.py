"""The results of checks, and the subject of an examination."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from deeplens.fleet.session import FleetSession


class Outcome(StrEnum):
    """The result type of a check."""

    OK = "ok"
    WARNING = "warning"
    # The deploy or the device cannot work until the problem is repaired.
    BLOCKED = "blocked"
    # The check could not be carried out; the finding's text contains the reason.
    NOT_CHECKED = "not checked"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        check: the name of the check.
        outcome: the type of the result.
        text: the description of the result.
        repair: the command that repairs the problem; empty if none is needed or known.
    """

    check: str
    outcome: Outcome
    text: str
    repair: str = ""


@dataclass(frozen=True)
class Patient:
    """The subject of an examination.

    Attributes:
        session: the environment, and the clients of its account and Region.
        models: folder of the model artifacts.
        local: true if the session is on the local emulator.
    """

    session: FleetSession
    models: Path
    local: bool = False

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.session.environment.name

    def fleet(self, words: str) -> str:
        """Return a `deeplens fleet` command, with `--local` if the session is on the emulator."""
        return f"deeplens fleet {words}{' --local' if self.local else ''}"

    def deploy(self, stack: str = "*") -> str:
        """Return the command that deploys a stack of the environment; by default, all stacks."""
        return f"cdk deploy '{self.name}/{stack}'"
