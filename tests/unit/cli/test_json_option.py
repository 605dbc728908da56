"""Every command of `deeplens` with a result prints the result as JSON if `--json` is given."""

import json
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import local_aws.cli
from deeplens.cli.main import main

ROOT = Path(__file__).parents[3]
# Commands without --json, with the reason.
WITHOUT = {
    "model scenes": "the result is a folder of images",
    "model serve-container": "it prints one JSON document when it is ready",
    "local camera": "it runs until it is interrupted, and has no result",
    "local core run": "it runs until it is interrupted, and has no result",
    "local core provision": "the result is the folder of the device",
    "local core status": "it prints JSON only",
    "local record": "the result is the file of JSON lines",
}
# The commands that run in the emulator's Python environment.
EMULATOR = {"up", "down", "status", "env", "reset", "core", "record"}


def commands(group: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield the words and the command of each command that is not a group."""
    if not isinstance(group, click.Group):
        yield " ".join(path), group
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if path == ("local",) and name in EMULATOR:
            command = local_aws.cli.main.get_command(context, name)
        assert command is not None
        yield from commands(command, *path, name)


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_json_or_a_reason(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert ("--json" in options) != (name in WITHOUT)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_each_command_has_examples(name: str) -> None:
    assert f"Examples:\n  deeplens {name}" in (COMMANDS[name].epilog or "")


@pytest.mark.parametrize("group", ["", "model", "release", "fleet", "env", "local"])
def test_the_help_of_each_group_has_exit_codes(group: str) -> None:
    assert "Exit codes: 0 " in CliRunner().invoke(main, [*group.split(), "--help"]).output


def test_the_reasons_are_of_commands_that_exist() -> None:
    assert WITHOUT.keys() <= COMMANDS.keys()


def test_a_document_is_alone_on_stdout(tmp_path: Path) -> None:
    for file in (ROOT / "environments").glob("*.toml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    words = ["env", "new", "qa", "--account", "444444444444", "--folder", str(tmp_path), "--json"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {"environment": "qa", "file": str(tmp_path / "qa.toml")}
    assert "written" in result.stderr


def test_the_page_names_the_keys_of_each_document() -> None:
    page = (ROOT / "docs/command-line.md").read_text(encoding="utf-8")
    for name in COMMANDS.keys() - WITHOUT.keys():
        assert f"| `{name}` |" in page, name
