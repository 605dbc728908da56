"""Errors of model_tools.

ModelToolsError
├── SourceError      the input is not a readable model
├── RefusedError     the input breaks a rule for files from outside
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
    """Error for an input that is not a readable model."""


class RefusedError(ModelToolsError):
    """Error for a file from outside that breaks a rule; the message begins with the rule's name."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule
        self.reason = reason

    def __reduce__(self) -> tuple[type["RefusedError"], tuple[str, str]]:
        return RefusedError, (self.rule, self.reason)


class AmbiguousError(ModelToolsError):
    """Error for an ambiguous input, output or signature; the message lists the candidates."""


class FreezeError(ModelToolsError):
    """Error for a frozen graph that differs from its source or that its runtime cannot read."""


class VerifyError(ModelToolsError):
    """Error for two graphs or engines whose results differ."""


class ServingError(ModelToolsError):
    """Error for a model or inference.py that cannot be served, or for an unresponsive endpoint."""


class SigningError(ModelToolsError):
    """Error for a key that cannot sign, or for a release that cannot be signed."""


class WrongKeyError(SigningError):
    """Error for a key that is not valid."""


class RegistryError(ModelToolsError):
    """Error for a release that cannot be promoted, or for a damaged audit log."""


class NoEmulatorError(RegistryError):
    """Error for a checkout whose emulator is not running."""

    exit_code = 3


class NoCameraError(RegistryError):
    """Error for a release that no connected camera can verify, although it may be correct."""


class IsolationError(ModelToolsError):
    """Error for a limited process that crashed or was ended."""
