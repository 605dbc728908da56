"""Where two JSON values differ, path by path."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deeplens.assembly.intrinsics import Value

Path = tuple[str, ...]

_DIGEST = re.compile(r"(?<![0-9a-f])([0-9a-f]{12})[0-9a-f]{52}(?![0-9a-f])")


@dataclass(frozen=True)
class Absent:
    """The value of a key that is not there."""

    def __bool__(self) -> bool:
        """Nothing is false."""
        return False


ABSENT = Absent()


@dataclass(frozen=True)
class Difference:
    """A value that is not the same on both sides; either may be `ABSENT`."""

    path: Path
    before: Value | Absent
    after: Value | Absent


def differences(before: Value | Absent, after: Value | Absent, at: Path = ()) -> list[Difference]:
    """Return where `before` and `after` differ, as deep in as both have the same shape."""
    return list(_walk(before, after, at))


def short(value: Value | Absent) -> str:
    """Return `value` as text for a reader, digests cut to their first 12 digits."""
    if isinstance(value, Absent):
        return "—"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return ", ".join(short(one) for one in value) or "(none)"
    if isinstance(value, dict | list):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return "{" + ", ".join(f"{key}: {short(one)}" for key, one in parts) + "}"
    return _DIGEST.sub(r"\1…", str(value)) or "(empty)"


def _walk(before: Value | Absent, after: Value | Absent, at: Path) -> Iterator[Difference]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _walk(before.get(key, ABSENT), after.get(key, ABSENT), (*at, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _walk(one, other, (*at, str(index)))
    elif before != after or isinstance(before, bool) is not isinstance(after, bool):
        yield Difference(at, before, after)
