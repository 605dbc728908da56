"""Check that README.md and docs/README.md refer only to existing commands and pages."""

import re
import subprocess
from pathlib import Path

import click
import pytest
from PIL import Image

from deeplens.cli.main import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INDEX = (ROOT / "docs/README.md").read_text(encoding="utf-8")


def targets() -> list[str]:
    """Return the make targets on both pages, in text and at the start of code lines."""
    return sorted(set(re.findall(r"(?:`|^)make ([a-z-]+)", README + INDEX, re.MULTILINE)))


def links(page: str) -> list[str]:
    return [link.partition("#")[0] for link in re.findall(r"\]\(([^):#][^):]*)\)", page)]


def commands() -> list[str]:
    """Return the subcommands of `deeplens` on both pages."""
    return sorted(
        set(re.findall(r"(?:`|^)deeplens ((?:[a-z-]+ ?)+)", README + INDEX, re.MULTILINE))
    )


def test_the_pages_name_targets_and_commands() -> None:
    assert {"demo", "synth"} <= set(targets())
    assert any(command.startswith("local deploy") for command in commands())


@pytest.mark.parametrize("command", commands())
def test_each_command_of_the_pages_exists(command: str) -> None:
    group: click.Command | None = main
    for word in command.split():
        if not isinstance(group, click.Group):
            break
        group = group.get_command(click.Context(group), word)
        assert group is not None, command


@pytest.mark.process
@pytest.mark.parametrize("target", targets())
def test_each_make_target_of_the_pages_exists(target: str) -> None:
    result = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", [link for link in links(README) if link.startswith("docs/")])
def test_each_page_that_the_readme_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_index_names_each_page_and_each_page_exists() -> None:
    named = {link for link in links(INDEX) if not link.startswith("../")}
    assert all((ROOT / "docs" / link).exists() for link in named)
    pages = {file.name for file in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages <= named


def test_the_image_of_the_live_view_is_small() -> None:
    file = ROOT / "docs/live-view.png"
    assert f"]({file.relative_to(ROOT)})" in README
    with Image.open(file) as image:
        image.load()
        assert image.width >= 1000
    assert file.stat().st_size < 200_000


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["demo"], "local demo --env dev"),
        (["demo", "KEEP=1"], "local demo --env dev --keep"),
        (["demo", "KEEP=0"], "local demo --env dev --no-keep"),
        (["camera"], "local camera dev"),
        (["camera", "PICTURES=a b", "NAME=cam-2"], 'camera dev --images "a b" --name "cam-2"'),
    ],
)
def test_the_options_of_the_pages_reach_the_demo(arguments: list[str], expected: str) -> None:
    result = subprocess.run(
        ["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip().splitlines()[-1].strip().endswith(expected)


@pytest.mark.process
@pytest.mark.parametrize(
    "command",
    [
        [".venv/bin/deeplens"],
        [".venv/bin/deeplens", "model"],
        [".venv/bin/deeplens", "model", "freeze"],
        [".venv/bin/deeplens", "model", "package"],
        [".venv/bin/deeplens", "model", "verify"],
        [".venv/bin/deeplens", "model", "train", "shapes"],
        [".venv/bin/deeplens", "model", "train", "iris"],
        [".venv/bin/deeplens", "model", "host-package"],
        [".venv/bin/deeplens", "model", "serve-container"],
        [".venv/bin/deeplens", "model", "serve"],
        [".venv/bin/deeplens", "model", "invoke"],
        [".venv/bin/deeplens", "release", "pin"],
        [".venv/bin/deeplens", "release", "keys", "new"],
        [".venv/bin/deeplens", "release", "sign"],
        [".venv/bin/deeplens", "release", "verify"],
        [".venv/bin/deeplens", "model", "scenes"],
        [".venv/bin/python", "-m", "deeplens", "local"],
        [".venv/bin/python", "-m", "deeplens", "local", "demo"],
        [".venv/bin/python", "-m", "deeplens", "local", "camera"],
        [".venv-local-aws/bin/python", "-m", "local_aws"],
        [".venv-local-aws/bin/python", "-m", "local_aws", "core", "run"],
    ],
    ids=" ".join,
)
def test_each_command_explains_itself(command: list[str]) -> None:
    result = subprocess.run(
        [*command, "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "Usage:" in result.stdout


def test_every_decision_has_context_decision_and_consequences() -> None:
    records = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert records
    for record in records:
        text = record.read_text(encoding="utf-8").lower()
        assert all(word in text for word in ("context", "decision", "consequences")), record


def test_the_readme_is_short_and_its_steps_are_those_of_the_demo() -> None:
    assert len(README.splitlines()) <= 100
    modules = sorted((ROOT / "deeplens/local").glob("*.py"))
    code = "\n".join(module.read_text(encoding="utf-8") for module in modules)
    titles = re.findall(r'steps\.step\("\w+", f?"([^"]+)"\)', code)
    patterns = [re.sub(r"\\{[^}]+\\}", ".+", re.escape(title)) for title in titles]
    steps = re.findall(r"^▸ (.+) …$", README, re.MULTILINE)
    assert len(steps) >= 8
    assert [
        step for step in steps if not any(re.fullmatch(pattern, step) for pattern in patterns)
    ] == []
