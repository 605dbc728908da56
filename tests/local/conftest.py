"""One checkout and one embedded AWS for all tests here."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.local.checkout import ROOT, Checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Sources are copied, installed environments are linked, state is new."""
    root = tmp_path_factory.mktemp("checkout")
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
