"""Write docs/commands.md, which contains the help of every command of `deeplens`.

Exit codes: 0 the page was written, or `--check` found no difference; 1 `--check` found a
difference.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from deeplens.cli.main import main as deeplens

PAGE = Path(__file__).resolve().parents[1] / "docs/commands.md"
_INTRODUCTION = """\
# Commands of deeplens

`make reference` writes this page: the output of `--help` of every command.
[The commands](command-line.md) describes installation, exit codes and completion.
"""
_WIDTH = 100


def page() -> str:
    """Return the page; a separate process prints the help of the emulator's commands."""
    sections = [_INTRODUCTION]
    for words in commands(deeplens, click.Context(deeplens, **deeplens.context_settings)):
        level = "#" * (2 if len(words) == 1 else 3)
        sections.append(f"{level} deeplens {' '.join(words)}\n\n```text\n{help_of(words)}```\n")
    return "\n".join(sections)


def commands(group: click.Group, context: click.Context) -> Iterator[list[str]]:
    """Yield each subcommand below a group as a list of names, in the order of the group's help."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        yield [name]
        if isinstance(command, click.Group):
            below = click.Context(command, parent=context, info_name=name)
            yield from ([name, *words] for words in commands(command, below))


def help_of(words: list[str]) -> str:
    """Return the `--help` output of one command."""
    shown = CliRunner(env={"COLUMNS": str(_WIDTH), "NO_COLOR": "1"}).invoke(
        deeplens, [*words, "--help"], prog_name="deeplens", max_content_width=_WIDTH,
        terminal_width=_WIDTH, catch_exceptions=False,
    )  # fmt: skip
    return "\n".join(line.rstrip() for line in shown.output.splitlines()) + "\n"


def main() -> int:
    """Write the page, or compare it with the commands, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; write nothing")
    is_check = parser.parse_args().check
    text = page()
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    if is_check:
        print("docs/commands.md: differs from the commands; run `make reference`")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    print("docs/commands.md: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
