"""Component versions, and version ranges in the syntax of npm.

`semantic_version.NpmSpec` is not used for pre-releases. For released versions, it ignores the
pre-release of a comparator, so `=1.0.0-rc.1` would allow 1.0.0.
"""

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from semantic_version import NpmSpec, Version

from local_aws.errors import ValidationError

_SPACE_AFTER_OPERATOR = re.compile(r"([<>=^~]+)\s+")
_DOUBLE_EQUALS = re.compile(r"(?<![<>=])==")
_COMPARATOR = re.compile(
    r"(?P<sign>=|<=|>=|<|>|\^|~)?v?(?P<version>[0-9]+\.[0-9]+\.[0-9]+(?P<pre>-[0-9A-Za-z.-]+)?)(\+\S*)?"
)
_COMPARISONS: dict[str, Callable[[Version, Version], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """A version range of npm; `version in requirement` follows the rules of npm."""

    alternatives: tuple[tuple[str, ...], ...]

    def __contains__(self, version: Version) -> bool:
        return any(_allows(comparators, version) for comparators in self.alternatives)


def parse_version(text: str) -> Version:
    """Parse a semantic version.

    Raises:
        ValidationError: the text is not a semantic version.
    """
    try:
        return Version(text)
    except ValueError:
        raise ValidationError(
            f"Component version {text!r} is not a semantic version such as 1.2.3 or 1.2.3-rc.1."
        ) from None


def parse_requirement(text: str) -> Requirement:
    """Parse a version requirement.

    Raises:
        ValidationError: the text is not a version range of npm.
    """
    tidy = _DOUBLE_EQUALS.sub("=", _SPACE_AFTER_OPERATOR.sub(r"\1", text.strip())) or "*"
    try:
        NpmSpec(tidy)
    except ValueError:
        raise ValidationError(
            f"Version requirement {text!r} is not an npm-style range,"
            " such as =1.2.3 or >=1.0.0 <2.0.0."
        ) from None
    return Requirement(tuple(_comparators(part.strip() or "*") for part in tidy.split("||")))


def satisfying(versions: Iterable[str], requirements: Iterable[str]) -> list[str]:
    """Return the versions that meet all requirements, newest first."""
    ranges = [parse_requirement(requirement) for requirement in requirements]
    fitting = [Version(text) for text in versions]
    fitting = [
        version for version in fitting if all(version in requirement for requirement in ranges)
    ]
    return [str(version) for version in sorted(fitting, reverse=True)]


def _comparators(alternative: str) -> tuple[str, ...]:
    return (alternative,) if " - " in alternative else tuple(alternative.split())


def _allows(comparators: tuple[str, ...], version: Version) -> bool:
    """Return whether all comparators allow a version.

    By npm's rules, a pre-release also needs a comparator with a pre-release of the same major,
    minor and patch version.
    """
    if version.prerelease and not any(
        _names_prerelease_of(comparator, version) for comparator in comparators
    ):
        return False
    return all(_holds(comparator, version) for comparator in comparators)


def _names_prerelease_of(comparator: str, version: Version) -> bool:
    match = _COMPARATOR.fullmatch(comparator)
    if not match or not match["pre"]:
        return False
    return bool(Version(match["version"]).truncate() == version.truncate())


def _holds(comparator: str, version: Version) -> bool:
    match = _COMPARATOR.fullmatch(comparator)
    if not match:
        return version.truncate() in NpmSpec(comparator)
    bound, sign = Version(match["version"]), match["sign"] or "="
    if sign in _COMPARISONS:
        return _COMPARISONS[sign](version, bound)
    return bool(version >= bound and version.truncate() in NpmSpec(f"{sign}{bound.truncate()}"))
