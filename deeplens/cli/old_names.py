"""Deprecated commands `model-tools` and `fleet`, which print and run their replacements.

The next release removes them.
"""

import shlex
import sys
from collections.abc import Mapping

import click

from deeplens.cli.main import main

# New words by the leading words of an old command, the longest first; the empty key applies to all
# other commands.
_MODEL_TOOLS = {
    ("models", "crown"): ("release", "promote"),
    ("models", "gate"): ("release", "check"),
    ("models",): ("release",),
    ("pin",): ("release", "pin"),
    ("sign",): ("release", "sign"),
    ("verify-signature",): ("release", "verify"),
    ("keys",): ("release", "keys"),
    (): ("model",),
}
_FLEET = {
    ("project",): ("fleet", "releases"),
    ("rollback",): ("release", "rollback", "--now"),
    ("roll-back",): ("release", "rollback", "--now"),
    (): ("fleet",),
}


def model_tools() -> None:
    """Run the replacement of the deprecated command `model-tools`."""
    _run("model-tools", _MODEL_TOOLS)


def fleet() -> None:
    """Run the replacement of the deprecated command `fleet`."""
    _run("fleet", _FLEET)


def renamed(words: list[str], names: Mapping[tuple[str, ...], tuple[str, ...]]) -> list[str]:
    """Translate the arguments of a deprecated command into those of its replacement."""
    old = next(old for old in names if tuple(words[: len(old)]) == old)
    rest = words[len(old) :]
    if "--now" in names[old] and len(rest) > 1 and not rest[1].startswith("-"):
        # The argument RELEASE of `fleet rollback ENVIRONMENT RELEASE` is now an option.
        rest.insert(1, "--to")
    return [*names[old], *rest]


def _run(program: str, names: Mapping[tuple[str, ...], tuple[str, ...]]) -> None:
    words = renamed(sys.argv[1:], names)
    click.echo(f"{program} is now: deeplens {shlex.join(words)}", err=True)
    main(words, prog_name="deeplens")
