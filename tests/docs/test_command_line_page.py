"""docs/command-line.md: help by -h, and completion by the shell, without TensorFlow."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/command-line.md").read_text(encoding="utf-8")
COMMANDS = ["model-tools", "fleet"]
MODULES = ["model_tools.cli.main", "deeplens.cli.fleet.main", "local_aws.cli", "review.cli",
           "deeplens.cli.local.main",
           "deeplens.cli.env.runtime", "tools.plan", "deeplens.cli.env.new", "tools.golden",
           "tools.check_templates", "deeplens.cli.env.reference",
           "tools.beside_busy_loops"]  # fmt: skip


def every_command(command: click.Command, context: click.Context) -> list[list[str]]:
    """Return the words that lead to a command and to each of its subcommands."""
    found: list[list[str]] = [[]]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            found += [[name, *words] for words in every_command(below, context)]
    return found


@pytest.mark.parametrize("module", MODULES)
def test_each_command_and_subcommand_has_a_short_help_option(module: str) -> None:
    main = importlib.import_module(module).main
    for words in every_command(main, click.Context(main)):
        short, long = (CliRunner().invoke(main, [*words, option]) for option in ("-h", "--help"))
        assert short.exit_code == long.exit_code == 0, words
        assert short.output == long.output
        assert "Usage:" in short.output


@pytest.mark.parametrize("module", MODULES)
def test_no_summary_of_a_command_is_cut_in_80_columns(module: str) -> None:
    main = importlib.import_module(module).main
    for words in every_command(main, click.Context(main)):
        shown = CliRunner().invoke(main, [*words, "--help"], terminal_width=80).output
        commands = shown.partition("\nCommands:\n")[2].partition("\n\n")[0]
        assert [line for line in commands.splitlines() if line.endswith("...")] == []


@pytest.mark.parametrize("module", MODULES)
def test_each_option_has_a_help_text_that_is_a_sentence(module: str) -> None:
    main = importlib.import_module(module).main
    context = click.Context(main)
    poor = []
    for words in every_command(main, context):
        command: click.Command | None = main
        for word in words:
            assert isinstance(command, click.Group)
            command = command.get_command(context, word)
        assert command is not None
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                text = parameter.help or ""
                if not text or re.match(r"(Of|As|For|Also|Not|Is|So many) ", text):
                    poor.append((*words, parameter.opts[0], text))
    assert poor == []


@pytest.mark.process
def test_make_lists_each_described_target_once_in_a_group() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    described = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = shown.stdout.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(listed) == sorted(described)
    assert [line for line in lines if line and line[0] != " "] == ["Try", "Day to day", "Develop"]
    # Names and texts are in columns.
    assert {re.match(r"  \S+ +", line).end() for line in lines if line.startswith("  ")} == {22}  # type: ignore[union-attr]


def variable(command: str) -> str:
    return f"_{command.upper().replace('-', '_')}_COMPLETE"


def answer(command: str, **environment: str) -> str:
    done = subprocess.run(
        [ROOT / ".venv/bin" / command],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.process
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_documented_line_of_each_shell_prints_a_script_that_it_accepts(
    command: str, shell: str
) -> None:
    (name,) = re.findall(rf"(_\w+)={shell}_source {command}\b", PAGE)
    assert name == variable(command)
    script = answer(command, **{name: f"{shell}_source"})
    assert command in script
    # zsh and fish are not on every machine; what click prints for them is click's own.
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, check=True)
    else:
        assert shell != "bash"


def complete(command: str, *words: str) -> set[str]:
    """Return the completions that bash gets for the last word."""
    offered = answer(
        command,
        **{variable(command): "bash_complete"},
        COMP_WORDS=" ".join([command, *words]),
        COMP_CWORD=str(len(words)),
    )
    return {line.split(",", maxsplit=1)[1] for line in offered.splitlines()}


@pytest.mark.process
def test_subcommands_and_options_are_completed() -> None:
    assert complete("model-tools", "fr") == {"freeze"}
    assert {"shapes", "headpose"} <= complete("model-tools", "train", "")
    assert "--checkpoint" in complete("model-tools", "freeze", "--ch")
    assert complete("fleet", "st") == {"status", "stop"}
    assert complete("fleet", "status", "--js") == {"--json"}


@pytest.mark.process
def test_bash_itself_completes_a_subcommand() -> None:
    script = (
        'eval "$(_MODEL_TOOLS_COMPLETE=bash_source model-tools)"\n'
        "COMP_WORDS=(model-tools ver) COMP_CWORD=1\n"
        "_model_tools_completion model-tools\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    path = f"{ROOT / '.venv/bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) == {"verify", "verify-signature"}


@pytest.mark.process
def test_completion_loads_neither_tensorflow_nor_clients_of_aws() -> None:
    script = (
        "import sys\n"
        "for module in ('model_tools.cli.main', 'deeplens.cli.fleet.main'):\n"
        "    __import__(module)\n"
        "print({'tensorflow', 'keras', 'numpy', 'boto3'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
