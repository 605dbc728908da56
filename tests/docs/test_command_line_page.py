"""docs/command-line.md: every command prints its help, and the shell completes commands.

Neither the help nor the completion loads TensorFlow.
"""

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
# The module of `deeplens`, which runs commands of the emulator in a separate process.
OPERATOR = pytest.param("deeplens.cli.main", marks=pytest.mark.process)
MODULES = [OPERATOR, "model_tools.cli.main", "local_aws.cli", "deeplens.review.cli",
           "deeplens.review.plan", "deeplens.policy.golden", "deeplens.policy.check_templates",
           "tools.busy_loops"]  # fmt: skip


def every_command(command: click.Command, context: click.Context) -> list[list[str]]:
    """Return the words of a command and of all its subcommands."""
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
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (["model-tools", "freeze", "--help"], "deeplens model freeze --help"),
        (["model-tools", "models", "list", "--help"], "deeplens release list --help"),
        (["model-tools", "verify-signature", "--help"], "deeplens release verify --help"),
        (["fleet", "status", "--help"], "deeplens fleet status --help"),
        (["fleet", "rollback", "dev", "638", "--help"],
         "deeplens release rollback --now dev --to 638 --help"),
    ],
)  # fmt: skip
def test_old_names_print_the_new_command_and_run_it(old: list[str], new: str) -> None:
    done = subprocess.run(
        [ROOT / ".venv/bin" / old[0], *old[1:]], capture_output=True, text=True, check=True
    )
    assert done.stderr == f"{old[0]} is now: {new}\n"
    assert done.stdout.startswith(f"Usage: {' '.join(new.split()[:3])}")


@pytest.mark.process
def test_make_lists_each_described_target_once_in_a_group() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    described = re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE)
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    lines = shown.stdout.splitlines()
    listed = [line.split()[0] for line in lines if line.startswith("  ")]
    assert sorted(listed) == sorted(described)
    assert [line for line in lines if line and line[0] != " "] == [
        "Try", "Test", "Generate", "Measure", "Install",
    ]  # fmt: skip
    # Names and descriptions must be in two columns.
    assert {re.match(r"  \S+ +", line).end() for line in lines if line.startswith("  ")} == {22}  # type: ignore[union-attr]


def answer(**environment: str) -> str:
    done = subprocess.run(
        [ROOT / ".venv/bin/deeplens"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.process
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_documented_line_of_each_shell_prints_a_script_that_it_accepts(shell: str) -> None:
    assert f"_DEEPLENS_COMPLETE={shell}_source deeplens" in PAGE
    script = answer(_DEEPLENS_COMPLETE=f"{shell}_source")
    assert "deeplens" in script
    # Not every machine has zsh and fish. If the shell is missing, the script's syntax is not
    # checked.
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, text=True, check=True)
    else:
        assert shell != "bash"


def complete(*words: str) -> set[str]:
    """Return the completions that bash receives for the last argument."""
    offered = answer(
        _DEEPLENS_COMPLETE="bash_complete",
        COMP_WORDS=" ".join(["deeplens", *words]),
        COMP_CWORD=str(len(words)),
    )
    return {line.split(",", maxsplit=1)[1] for line in offered.splitlines()}


@pytest.mark.process
def test_subcommands_and_options_are_completed() -> None:
    assert complete("re") == {"release", "review"}
    assert complete("model", "fr") == {"freeze"}
    assert {"shapes", "headpose"} <= complete("model", "train", "")
    assert "--checkpoint" in complete("model", "freeze", "--ch")
    assert complete("fleet", "st") == {"status", "stop"}
    assert complete("fleet", "status", "--js") == {"--json"}


@pytest.mark.process
def test_bash_itself_completes_a_subcommand() -> None:
    script = (
        'eval "$(_DEEPLENS_COMPLETE=bash_source deeplens)"\n'
        "COMP_WORDS=(deeplens model ver) COMP_CWORD=2\n"
        "_deeplens_completion deeplens\n"
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
    assert done.stdout.split() == ["verify"]


@pytest.mark.process
def test_completion_loads_neither_tensorflow_nor_clients_of_aws() -> None:
    script = (
        "import sys\n"
        "import deeplens.cli.main as cli\n"
        "for name in ('model', 'release', 'fleet', 'env', 'local'):\n"
        "    cli.main.get_command(None, name)\n"
        "print({'tensorflow', 'keras', 'numpy', 'boto3'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
