"""What can go wrong while a runtime is built."""


class RuntimeBuildError(Exception):
    """Says what is wrong, and what would work."""
