"""The errors the emulated services answer, in the shapes AWS gives them."""

from typing import Any


class ServiceError(Exception):
    """An error a service answers: its AWS code, a message and the members of its shape."""

    def __init__(self, code: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.members = members


class ValidationError(ServiceError):
    """The request cannot be right, whatever the state is."""

    def __init__(self, message: str, *, reason: str = "OTHER") -> None:
        super().__init__("ValidationException", message, reason=reason)


class NotFoundError(ServiceError):
    """The request names something that does not exist in this account and region."""

    def __init__(self, kind: str, identifier: str, message: str | None = None) -> None:
        super().__init__(
            "ResourceNotFoundException",
            message or f"{kind} {identifier} does not exist in this account and region.",
            resourceId=identifier,
            resourceType=kind,
        )


class ConflictError(ServiceError):
    """The request contradicts the state of something that exists."""

    def __init__(self, kind: str, identifier: str, message: str) -> None:
        super().__init__("ConflictException", message, resourceId=identifier, resourceType=kind)
