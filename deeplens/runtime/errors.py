"""Errors of the runtime build."""


class RuntimeBuildError(Exception):
    """Raised if a runtime cannot be built; the message contains the problem and a solution."""
