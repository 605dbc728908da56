"""The README's commands exist and answer."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def targets() -> list[str]:
    return sorted(set(re.findall(r"`make ([a-z-]+)", README)))


@pytest.mark.parametrize("target", targets())
def test_each_make_target_of_the_readme_exists(target: str) -> None:
    result = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("path", re.findall(r"\]\((docs/[^)]+)\)", README))
def test_each_page_that_the_readme_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize(
    "command",
    [
        [".venv/bin/model-tools"],
        [".venv/bin/model-tools", "freeze"],
        [".venv/bin/model-tools", "package"],
        [".venv/bin/model-tools", "verify"],
        [".venv/bin/model-tools", "train", "shapes"],
        [".venv/bin/model-tools", "train", "iris"],
        [".venv/bin/model-tools", "host-package"],
        [".venv/bin/model-tools", "serve-container"],
        [".venv/bin/model-tools", "serve"],
        [".venv/bin/model-tools", "invoke"],
        [".venv/bin/model-tools", "pin"],
        [".venv/bin/model-tools", "keys", "new"],
        [".venv/bin/model-tools", "sign"],
        [".venv/bin/model-tools", "verify-signature"],
        [".venv/bin/model-tools", "scenes"],
        [".venv/bin/python", "-m", "demo"],
        [".venv/bin/python", "-m", "demo", "run"],
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
