"""Errors of model_tools.

ModelToolsError
├── SourceError      the input is not a readable model
├── RefusedError     the input breaks a rule for untrusted files
├── AmbiguousError   inputs, outputs or a signature must be chosen
├── FreezeError      the frozen graph differs from its source, or a runtime cannot read it
├── VerifyError      the results of two graphs or engines differ
├── ServingError     a model or its inference.py cannot be served, or an endpoint does not respond
├── SigningError     a key cannot sign, or a release cannot be signed
│   └── WrongKeyError  a key is not valid
├── RegistryError    a release cannot be promoted, or the audit log is damaged
│   ├── NoEmulatorError  the emulator is not running
│   └── NoCameraError    no connected camera can verify a release
└── IsolationError   the limited process crashed or was ended
"""


class ModelToolsError(Exception):
    """An error whose message contains the problem, the given value and the values that work."""


class SourceError(ModelToolsError):
    """Raised if an input is not a readable model."""


class RefusedError(ModelToolsError):
    """Raised if an untrusted file breaks a rule; the message begins with the rule's name."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule
        self.reason = reason

    def __reduce__(self) -> tuple[type["RefusedError"], tuple[str, str]]:
        return RefusedError, (self.rule, self.reason)


class AmbiguousError(ModelToolsError):
    """Raised if an input, output or signature is ambiguous; the message lists the candidates."""


class FreezeError(ModelToolsError):
    """Raised if a frozen graph differs from its source, or its runtime cannot read the graph."""


class VerifyError(ModelToolsError):
    """Raised if the results of two graphs or engines differ."""


class ServingError(ModelToolsError):
    """Raised if a model or inference.py cannot be served, or an endpoint does not respond."""


class SigningError(ModelToolsError):
    """Raised if a key cannot sign, or a release cannot be signed."""


class WrongKeyError(SigningError):
    """Raised if a key is not valid."""


class RegistryError(ModelToolsError):
    """Raised if a release cannot be promoted, or the audit log is damaged."""


class NoEmulatorError(RegistryError):
    """Raised if the emulator of a checkout is not running."""

    exit_code = 3


class NoCameraError(RegistryError):
    """Raised if no connected camera can verify a release, although the release may be correct."""


class IsolationError(ModelToolsError):
    """Raised if a limited process crashed or was ended."""
