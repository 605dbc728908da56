"""The principal that signed a request."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A verified principal: an account's root user, a session of a role, or a federated user."""

    account: str
    arn: str
    access_key_id: str


_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def current_caller() -> Caller | None:
    """Return the caller of the current request; None outside a signed request."""
    return _caller.get()


def set_caller(caller: Caller | None) -> None:
    """Set the caller for the rest of the current request."""
    _caller.set(caller)
