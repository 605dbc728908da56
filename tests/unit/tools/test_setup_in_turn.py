"""If two make processes run in one checkout, each set-up step runs once."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
RECIPE = re.compile(r"^define (install-[\w-]+)\n.*?^endef$", re.MULTILINE | re.DOTALL)
STAMP = re.compile(r"^\S+/\.(?:ready|uv|development): .*\n\t(.*)$", re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a Makefile whose recipes write their names to `steps` at start and end."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = (
        f"@mkdir -p $(@D) .venv/bin && ln -sf {sys.executable} .venv/bin/python\n"
        "@echo NAME >> steps\n@sleep 0.3\n@echo NAME >> steps\n@touch $@"
    )
    text = RECIPE.sub(
        lambda match: f"define {match[1]}\n{recipe.replace('NAME', match[1])}\nendef", makefile
    )
    (tmp_path / "Makefile").write_text(text, encoding="utf-8")
    for name in ("requirements", "tools"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "deeplens/local").mkdir(parents=True)
    for name in ("pyproject.toml", "package-lock.json", "deeplens/local/checkout_lock.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_each_step_runs_once_and_alone(checkout: Path) -> None:
    # The variables of make must be absent, as in a terminal.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    words = ["make", "setup-development"]
    makes = [
        subprocess.Popen(
            words,
            cwd=checkout,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]
    printed = [make.communicate()[0].decode() for make in makes]
    assert [make.returncode for make in makes] == [0, 0], printed
    steps = (checkout / "steps").read_text(encoding="utf-8").split()
    assert steps[::2] == steps[1::2]
    assert sorted(steps[::2]) == sorted(
        f"install-{name}"
        for name in (
            "uv",
            "project",
            "emulator",
            "device",
            "layer",
            "cdk",
            "development",
            "checkov",
            "docs",
        )
    )
    again = subprocess.run(
        words, cwd=checkout, env=environment, capture_output=True, text=True, check=True
    )
    assert "make: Nothing to be done" in again.stdout


def test_no_step_of_the_set_up_runs_without_the_lock() -> None:
    recipes = STAMP.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
    assert len(recipes) == 11
    assert all(
        re.fullmatch(r"\$\(if \$\(ALONE\),\$\([\w-]+\),\$\(IN_TURN\)\)", one) for one in recipes
    )
