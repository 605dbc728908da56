"""Options whose values go into a manifest: wrong ones are an error before the work."""

import re

import click

# As in lambda_src/shared/artifact/manifest.schema.json, which a test compares.
VERSION = r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})"
NAME = r"[a-z][a-z0-9-]{0,62}"


class _Matching(click.ParamType[str]):
    """A string that a pattern matches completely."""

    def __init__(self, name: str, pattern: str, expected: str) -> None:
        self.name = name
        self._pattern = re.compile(pattern)
        self._expected = expected

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value, or fail with what would work."""
        if not self._pattern.fullmatch(value):
            self.fail(f"{value!r} is not valid: expected {self._expected}", param, ctx)
        return value


MODEL_VERSION = _Matching("MAJOR.MINOR.PATCH", VERSION, "three numbers, for example 1.1.0")
MODEL_NAME = _Matching(
    "NAME", NAME, "a lower-case letter, then at most 62 lower-case letters, digits and hyphens"
)
