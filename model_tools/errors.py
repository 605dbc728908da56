"""Errors of model_tools.

ModelToolsError
├── SourceError      what was given is no model that can be read
├── RefusedError     it could be read, and breaks a rule for files from outside
├── AmbiguousError   inputs, outputs or a signature must be chosen
├── FreezeError      no frozen graph answers as the source does, or a reader cannot take it
├── VerifyError      two graphs, or two engines, do not agree
├── ServingError     a model, or its inference.py, cannot be served; an endpoint does not answer
├── SigningError     a key cannot sign, or a release cannot be signed so
│   └── WrongKeyError  a key cannot be used
├── RegistryError    a release may not move, or the trail of moves is not whole
│   └── NoCameraError  no connected camera can verify a release
└── IsolationError   the limited process that ran TensorFlow was ended or crashed
"""


class ModelToolsError(Exception):
    """The text says what is wrong, what was given, and what would work."""


class SourceError(ModelToolsError):
    """What was given is no model that can be read."""


class RefusedError(ModelToolsError):
    """A file from outside breaks a rule; the text begins with the rule's name."""

    def __init__(self, rule: str, reason: str) -> None:
        super().__init__(f"{rule}: {reason}")
        self.rule = rule
        self.reason = reason

    def __reduce__(self) -> tuple[type["RefusedError"], tuple[str, str]]:
        return RefusedError, (self.rule, self.reason)


class AmbiguousError(ModelToolsError):
    """Inputs, outputs or a signature must be chosen; the text lists the candidates."""


class FreezeError(ModelToolsError):
    """No frozen graph answers as its source does, or the chosen reader cannot take it."""


class VerifyError(ModelToolsError):
    """Two graphs, or two engines, do not agree."""


class ServingError(ModelToolsError):
    """A model, or its inference.py, cannot be served, or an endpoint does not answer."""


class SigningError(ModelToolsError):
    """A key cannot sign, or a release cannot be signed like this."""


class WrongKeyError(SigningError):
    """A key that cannot be used."""


class RegistryError(ModelToolsError):
    """A release may not move there, or the trail of moves is not whole."""


class NoCameraError(RegistryError):
    """No connected camera can verify a release; nothing is known to be wrong with it."""


class IsolationError(ModelToolsError):
    """The limited process that ran TensorFlow was ended or crashed."""
