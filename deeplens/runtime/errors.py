"""Errors of this package."""


class RuntimeBuildError(Exception):
    """A runtime cannot be built; the message has the problem and a solution."""
