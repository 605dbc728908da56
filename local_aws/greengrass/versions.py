"""Component versions and the npm-style ranges that require them."""

import re
from collections.abc import Iterable

from semantic_version import NpmSpec, Version

from local_aws.errors import ValidationError

_SPACED_OPERATOR = re.compile(r"([<>=^~]+)\s+")
_DOUBLE_EQUALS = re.compile(r"(?<![<>=])==(?=\d)")


def parse_version(text: str) -> Version:
    """Read a semantic version.

    Raises:
        ValidationError: the text is not one.
    """
    try:
        return Version(text)
    except ValueError:
        raise ValidationError(
            f"Component version {text!r} is not a semantic version such as 1.2.3 or 1.2.3-rc.1."
        ) from None


def parse_requirement(text: str) -> NpmSpec:
    """Read a version requirement.

    Raises:
        ValidationError: the text is not an npm-style range.
    """
    tidy = _DOUBLE_EQUALS.sub("=", _SPACED_OPERATOR.sub(r"\1", text.strip()))
    try:
        return NpmSpec(tidy or "*")
    except ValueError:
        raise ValidationError(
            f"Version requirement {text!r} is not an npm-style range,"
            " such as =1.2.3 or >=1.0.0 <2.0.0."
        ) from None


def satisfying(versions: Iterable[str], requirements: Iterable[str]) -> list[str]:
    """List the versions that every requirement allows, newest first."""
    specs = [parse_requirement(requirement) for requirement in requirements]
    fitting = [Version(text) for text in versions]
    fitting = [version for version in fitting if all(version in spec for spec in specs)]
    return [str(version) for version in sorted(fitting, reverse=True)]
