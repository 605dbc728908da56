"""Invalid input causes one error message and an exit code."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.review.conftest import ROOT, Checkout

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def checkout(make_checkout: Any) -> Checkout:
    """A repository with one commit with an app, and another commit without an app."""
    made: Checkout = make_checkout("bad")
    made.git("switch", "--quiet", "--orphan", "empty")
    made.commit("no app")
    made.git("switch", "--quiet", "main")
    return made


def error_of(result: subprocess.CompletedProcess[str], code: int = 1) -> str:
    assert result.returncode == code, result.stdout
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("base", ["no-such-branch", "", "--all", "HEAD:app.py", "main..empty"])
def test_a_base_that_is_not_a_commit_is_an_error(checkout: Checkout, base: str) -> None:
    message = error_of(checkout.review("--", base), 2)
    assert f"BASE: {base!r} is not a commit" in message
    assert "BASE=main" in message


def test_a_folder_that_is_not_a_git_checkout_is_an_error(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "deeplens", "review", "HEAD"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "GIT_CEILING_DIRECTORIES": "/"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not a git checkout" in error_of(result)


def test_a_base_without_the_app_is_an_error(checkout: Checkout) -> None:
    message = error_of(checkout.review("empty"))
    assert "BASE (commit " in message
    assert "contains no app.py" in message


def test_the_error_of_a_base_that_does_not_synthesize_names_its_log(
    checkout: Checkout,
) -> None:
    checkout.set("dev", "region", "nowhere")
    checkout.commit("broken")
    checkout.set("dev", "region", "eu-central-1")
    message = error_of(checkout.review("HEAD"))
    assert "BASE (commit " in message
    assert "does not synthesize" in message
    assert "nowhere" in message
    assert "Greengrass V2" in message
    assert "build/review/base-synthesis.log" in message
    log = checkout.root / "build" / "review" / "base-synthesis.log"
    assert "nowhere" in log.read_text(encoding="utf-8")
    assert checkout.git("worktree", "list").count("\n") == 1
    checkout.commit("repaired")


def test_a_working_tree_that_does_not_synthesize_is_an_error(checkout: Checkout) -> None:
    checkout.set("dev", "region", "nowhere")
    message = error_of(checkout.review("HEAD"))
    checkout.set("dev", "region", "eu-central-1")
    assert "the working tree does not synthesize" in message


def test_an_output_that_is_a_file_is_wrong_usage(checkout: Checkout) -> None:
    result = checkout.review("HEAD", "--output", "app.py")
    assert result.returncode == 2
    assert "'app.py' is a file" in result.stderr
