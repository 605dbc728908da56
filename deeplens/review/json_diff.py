"""Compare two JSON values path by path."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deeplens.assembly.intrinsics import Value

Path = tuple[str, ...]

_DIGEST = re.compile(r"(?<![0-9a-f])([0-9a-f]{12})[0-9a-f]{52}(?![0-9a-f])")


@dataclass(frozen=True)
class Absent:
    """The value of a missing key."""

    def __bool__(self) -> bool:
        """Return False, because the value is missing."""
        return False


ABSENT = Absent()


@dataclass(frozen=True)
class Difference:
    """A value that differs between the sides; one of the values can be `ABSENT`."""

    path: Path
    before: Value | Absent
    after: Value | Absent


def differences(before: Value | Absent, after: Value | Absent, at: Path = ()) -> list[Difference]:
    """Return the differences; dicts are compared by key, and lists of equal length by index."""
    return list(_walk(before, after, at))


def short(value: Value | Absent) -> str:
    """Return `value` as text for a reader, with digests shortened to 12 digits."""
    if isinstance(value, Absent):
        return "—"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return ", ".join(map(short, value)) or "(none)"
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return "{" + ", ".join(f"{key}: {short(part)}" for key, part in parts) + "}"
    return _DIGEST.sub(r"\1…", str(value)) or "(empty)"


def _walk(before: Value | Absent, after: Value | Absent, at: Path) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _walk(before.get(key, ABSENT), after.get(key, ABSENT), (*at, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _walk(old, new, (*at, str(index)))
    elif before != after or isinstance(before, bool) is not isinstance(after, bool):
        yield Difference(at, before, after)
