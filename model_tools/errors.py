"""Errors of model_tools.

ModelToolsError
├── SourceError      the input is not a model that can be read
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
    """The input is not a model that can be read."""


class RefusedError(ModelToolsError):
    """A file from outside breaks a rule; the message begins with the name of the rule."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule
        self.reason = reason

    def __reduce__(self) -> tuple[type["RefusedError"], tuple[str, str]]:
        return RefusedError, (self.rule, self.reason)


class AmbiguousError(ModelToolsError):
    """Inputs, outputs or a signature must be chosen; the message lists the candidates."""


class FreezeError(ModelToolsError):
    """The frozen graph differs from its source, or the chosen runtime cannot read it."""


class VerifyError(ModelToolsError):
    """The results of two graphs or engines differ."""


class ServingError(ModelToolsError):
    """A model or its inference.py cannot be served, or an endpoint does not respond."""


class SigningError(ModelToolsError):
    """A key cannot sign, or a release cannot be signed."""


class WrongKeyError(SigningError):
    """A key is not valid."""


class RegistryError(ModelToolsError):
    """A release cannot be promoted, or the audit log is damaged."""


class NoEmulatorError(RegistryError):
    """The emulator of the checkout is not running."""

    exit_code = 3


class NoCameraError(RegistryError):
    """No connected camera can verify a release; no error of the release is known."""


class IsolationError(ModelToolsError):
    """The limited process crashed or was ended."""
