"""Reader of TOML files, with limits for file size, integers and characters."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deeplens.config.base import ConfigError

_LARGEST_BYTES = 1 << 20
# The largest integer of TOML.
_LARGEST_INTEGER = 2**63 - 1
_MOST_PROBLEMS = 20
_LONGEST_SHOWN = 80


def read_toml(file: Path) -> dict[str, Any]:
    """Return a TOML file's content.

    Raises:
        FileNotFoundError: the file does not exist.
        ConfigError: the file cannot be read, is larger than 1 MiB, is not TOML, or contains an
            unprintable character or an integer above 64 bits.
    """
    if file.exists() and not file.is_file():
        raise ConfigError(f"{file}: is not a regular file")
    try:
        with file.open("rb") as opened:
            content = opened.read(_LARGEST_BYTES + 1)
        if len(content) > _LARGEST_BYTES:
            raise ConfigError(f"{file}: is above the limit of {_LARGEST_BYTES} bytes")
        values = tomllib.loads(content.decode("utf-8-sig"))
        problems = list(_problems(values, ""))
    except FileNotFoundError:
        raise
    except RecursionError:
        raise ConfigError(f"{file}: not valid TOML: it is nested too deeply") from None
    except ValueError as error:
        # ValueError includes TOMLDecodeError, UnicodeDecodeError, and int's error for thousands of
        # digits.
        raise ConfigError(f"{file}: not valid TOML: {one_line(str(error))}") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    if problems:
        raise ConfigError(listed(file, problems))
    return values


def listed(file: Path, problems: list[str]) -> str:
    """Return an error message: the first 20 problems, one per line, and the number of others."""
    lines = [f"{file}: {problem}" for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"{file}: and {len(problems) - _MOST_PROBLEMS} more problems")
    return "\n".join(lines)


def shown(value: Any) -> str:
    """Return the representation of an invalid value on one line, truncated to 80 characters."""
    return one_line(repr(value), _LONGEST_SHOWN)


def one_line(text: str, longest: int = 400) -> str:
    """Truncate text to `longest` characters, and escape its unprintable characters."""
    cut = text if len(text) <= longest else f"{text[:longest]}…"
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in cut
    )


def _problems(value: Any, key: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _text_problems(f"{key}.{name}".lstrip("."), name)
            yield from _problems(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _problems(inner, f"{key}.{number}")
    elif isinstance(value, str):
        yield from _text_problems(key, value)
    elif isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        yield f"{one_line(key, _LONGEST_SHOWN)}: the integer is above 64 bits"


def _text_problems(key: str, text: str) -> Iterator[str]:
    for character in text:
        if not character.isprintable():
            yield (
                f"{one_line(key, _LONGEST_SHOWN)}: contains the character "
                f"U+{ord(character):04X}, which cannot be printed"
            )
            return
