"""Option types that validate values of a manifest before the work starts."""

import re

import click

# These patterns match lambda_src/shared/artifact/manifest.schema.json; a test compares them.
VERSION = r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})"
NAME = r"[a-z][a-z0-9-]{0,62}"


class _Matching(click.ParamType[str]):
    """A string that a pattern matches completely."""

    def __init__(self, name: str, pattern: str, expected: str) -> None:
        self.name = name
        self._pattern = re.compile(pattern)
        self._expected = expected

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value, or fail with a description of valid values."""
        if not self._pattern.fullmatch(value):
            self.fail(f"{value!r} is not valid: expected {self._expected}", param, ctx)
        return value


MODEL_VERSION = _Matching("MAJOR.MINOR.PATCH", VERSION, "three numbers, for example 1.1.0")
MODEL_NAME = _Matching(
    "NAME", NAME, "a lower-case letter, then at most 62 lower-case letters, digits and hyphens"
)
