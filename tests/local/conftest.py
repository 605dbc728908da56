"""Checkouts, each with an embedded AWS; most tests here share one."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.local.checkout import ROOT, Checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """The one that most tests share."""
    with new_checkout(tmp_path_factory.mktemp("checkout")) as made:
        yield made


@pytest.fixture(scope="module")
def own_checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """One for tests that need an AWS without anybody else's things."""
    with new_checkout(tmp_path_factory.mktemp("own")) as made:
        yield made


@contextmanager
def new_checkout(root: Path) -> Iterator[Checkout]:
    """Copy the sources, link the installed environments, start an AWS without state."""
    for name in (".venv", ".venv-local-aws", ".venv-device", "node_modules"):
        (root / name).symlink_to(ROOT / name)
    for name in ("demo", "stacks", "local_aws", "lambda_src", "environments", "models"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "cdk.json"):
        shutil.copy(ROOT / name, root / name)
    local_aws = [ROOT / ".venv-local-aws/bin/python", "-m", "local_aws"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([*local_aws, "up"], cwd=root, env=environment, check=True, timeout=120)
    yield Checkout(root)
    subprocess.run([*local_aws, "down"], cwd=root, env=environment, check=True, timeout=60)
