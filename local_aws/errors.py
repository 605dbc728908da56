"""The errors of the emulator's services, with the error shapes of AWS."""

from typing import Any


class ServiceError(Exception):
    """An error response of a service: its AWS code, its message and the members of its shape."""

    def __init__(self, code: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.members = members


class ValidationError(ServiceError):
    """Raised for a request that is not valid in any state of the service."""

    def __init__(self, message: str, *, reason: str = "OTHER") -> None:
        super().__init__("ValidationException", message, reason=reason)


class NotFoundError(ServiceError):
    """Raised for a request about a resource that does not exist in its account and Region."""

    def __init__(self, kind: str, identifier: str, message: str | None = None) -> None:
        super().__init__(
            "ResourceNotFoundException",
            message or f"{kind} {identifier} does not exist in this account and region.",
            resourceId=identifier,
            resourceType=kind,
        )


class ConflictError(ServiceError):
    """Raised for a request that conflicts with the state of an existing resource."""

    def __init__(self, kind: str, identifier: str, message: str) -> None:
        super().__init__("ConflictException", message, resourceId=identifier, resourceType=kind)
