"""Reader of environment files; each line of an error names the file, the key and the problem."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from deeplens.config.base import ConfigError
from deeplens.config.cross_environment_checks import conflicts
from deeplens.config.environment import LONGEST_NAME, NOT_KEYS, EnvironmentConfig
from deeplens.config.toml_files import (
    listed,
    one_line,
    read_toml,
    shown,
)

_LONGEST_KEY = 120
# The maximum length, in characters, of a message from a validator; the message for an invalid
# Region lists all Regions.
_LONGEST_MESSAGE = 1000

# Descriptions of the valid values, by pydantic's error type; names in braces are keys of the
# error's context.
_EXPECTED = {
    "bool_type": "true or false",
    "float_type": "a number",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "int_type": "an integer",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "literal_error": "{expected}",
    "string_too_long": "at most {max_length} characters",
    "string_type": "a string in quotes",
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entries",
}


def load_environments(folder: Path) -> list[EnvironmentConfig]:
    """Return the environments of all `*.toml` files in `folder`: dev first, the others by name.

    Raises:
        ConfigError: no file exists, a file is not valid, or two environments conflict.
    """
    files = sorted(folder.glob("*.toml"), key=lambda file: (file.stem != "dev", file.stem))
    if not files:
        raise ConfigError(f"{folder}: no environment file (*.toml) here; expected dev.toml, …")
    environments = [load_environment(file) for file in files]
    problems = [f"{folder / problem}" for problem in conflicts(environments)]
    if problems:
        raise ConfigError("\n".join(problems))
    return environments


def find_environment(environments: Sequence[EnvironmentConfig], name: str) -> EnvironmentConfig:
    """Return the environment `name`; if it is absent, raise `ConfigError` with all names."""
    for environment in environments:
        if environment.name == name:
            return environment
    known = ", ".join(environment.name for environment in environments)
    raise ConfigError(f"no environment is called {shown(name)}; there are: {known}")


def find_challenger(environments: Sequence[EnvironmentConfig], champion: str) -> EnvironmentConfig:
    """Return the environment that challenges `champion`.

    Raises:
        ConfigError: `champion` does not exist, or no environment challenges it.
    """
    find_environment(environments, champion)
    for environment in environments:
        if environment.challenges == champion:
            return environment
    raise ConfigError(
        f"{champion}: no environment challenges it; an environment with "
        f'challenges = "{champion}" in its file does (docs/promotion.md)'
    )


def load_environment(file: Path) -> EnvironmentConfig:
    """Read an environment file.

    Raises:
        ConfigError: the file is absent or not valid; the message contains the first 20 problems and
            the number of the others.
    """
    try:
        values = read_toml(file)
    except FileNotFoundError:
        there = sorted(other.stem for other in file.parent.glob("*.toml"))
        known = f"; there are: {', '.join(there)}" if there else ""
        raise ConfigError(f"{file}: no such environment file{known}") from None
    if given := [key for key in NOT_KEYS if key in values]:
        problems = [f"{key}: is the file's own {key}; remove the key" for key in given]
        raise ConfigError(listed(file, problems))
    try:
        return EnvironmentConfig(name=file.stem, file=file, **values)
    except ValidationError as error:
        problems = [explain(problem) for problem in error.errors()]
        raise ConfigError(listed(file, problems)) from None


def explain(problem: Any, model: type[BaseModel] = EnvironmentConfig) -> str:
    """Return one line about a problem that pydantic found in a key of `model`."""
    key = one_line(".".join(str(part) for part in problem["loc"]), _LONGEST_KEY)
    given = shown(problem["input"])
    if key == "name":
        return (
            f"the name of the file is that of the environment: given {given}, expected up to "
            f"{LONGEST_NAME} lower-case letters, digits and hyphens, for example 'qa.toml'"
        )
    message = problem["msg"].removeprefix("Value error, ")
    if not key:
        return one_line(message, _LONGEST_MESSAGE)
    if expected := _EXPECTED.get(problem["type"]):
        return f"{key}: given {given}, expected {expected.format(**problem.get('ctx', {}))}"
    match problem["type"]:
        case "extra_forbidden":
            text = f"unknown key{_nearest_key(problem['loc'], model)}"
        case "missing":
            described = _described(problem["loc"], model)
            text = f"is missing; expected {described or f'a section [{key}]'}"
        case "string_pattern_mismatch":
            pattern = problem["ctx"]["pattern"]
            described = _described(problem["loc"], model)
            text = f"given {given}, expected {described or 'a string'} (pattern: {pattern})"
        case "model_type":
            text = f"given {given}, expected a section [{key}] with keys"
        case _:
            text = f"given {given}: {_lower_first(one_line(message, _LONGEST_MESSAGE))}"
    return f"{key}: {text}"


def _lower_first(message: str) -> str:
    """Return a message with a lower-case first letter, unless it begins with an abbreviation."""
    return message if message[:2].isupper() else message[0].lower() + message[1:]


def _described(location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    *sections, key = location
    section = _section(tuple(sections), model)
    field = section.model_fields.get(str(key)) if section else None
    return (field.description if field else None) or ""


def _nearest_key(location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    section = _section(location[:-1], model)
    if section is None:
        return ""
    known = [
        key
        for key in section.model_fields
        if section is not EnvironmentConfig or key not in NOT_KEYS
    ]
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return (f"; did you mean '{near[0]}'?" if near else "") + f" (known: {', '.join(known)})"


def _section(location: tuple[str | int, ...], model: type[BaseModel]) -> type[BaseModel] | None:
    section = model
    for part in location:
        field = section.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return None
        section = annotation
    return section
