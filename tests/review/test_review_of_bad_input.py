"""Whatever is wrong is one clear error, and the exit code says so."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.review.conftest import ROOT, Checkout

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def checkout(make_checkout: Any) -> Checkout:
    """A repository with a commit before the app, a broken one and a good one."""
    made: Checkout = make_checkout("bad")
    made.git("switch", "--quiet", "--orphan", "empty")
    made.commit("no app")
    made.git("switch", "--quiet", "main")
    return made


def refused(result: subprocess.CompletedProcess[str], code: int = 1) -> str:
    assert result.returncode == code, result.stdout
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("base", ["no-such-branch", "", "--all", "HEAD:app.py", "main..empty"])
def test_a_base_that_is_no_commit_is_named(checkout: Checkout, base: str) -> None:
    said = refused(checkout.review("--", base), 2)
    assert f"BASE: given {base!r}, which names no commit here" in said
    assert "BASE=main" in said


def test_a_folder_that_is_no_git_checkout_is_named(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "deeplens.review", "HEAD"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "GIT_CEILING_DIRECTORIES": "/"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "not a git checkout" in refused(result)


def test_a_base_before_the_app_is_named(checkout: Checkout) -> None:
    assert "has no app.py: not a CDK app of this project" in refused(checkout.review("empty"))


def test_a_base_that_does_not_synthesize_says_what_failed_and_where_to_read_it(
    checkout: Checkout,
) -> None:
    checkout.set("dev", "region", "nowhere")
    checkout.commit("broken")
    checkout.set("dev", "region", "eu-central-1")
    said = refused(checkout.review("HEAD"))
    assert "BASE (commit " in said
    assert "does not synthesize" in said
    assert "AWS IoT Greengrass V2 is not offered there" in said
    assert "build/review/base-synthesis.log" in said
    log = checkout.root / "build" / "review" / "base-synthesis.log"
    assert "nowhere" in log.read_text(encoding="utf-8")
    assert checkout.git("worktree", "list").count("\n") == 1
    checkout.commit("mended")


def test_a_working_tree_that_does_not_synthesize_is_named(checkout: Checkout) -> None:
    checkout.set("dev", "region", "nowhere")
    said = refused(checkout.review("HEAD"))
    checkout.set("dev", "region", "eu-central-1")
    assert "the working tree does not synthesize" in said


def test_an_output_that_is_a_file_is_wrong_usage(checkout: Checkout) -> None:
    result = checkout.review("HEAD", "--output", "app.py")
    assert result.returncode == 2
    assert "'app.py' is a file" in result.stderr
