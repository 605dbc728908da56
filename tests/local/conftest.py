"""One embedded AWS for the tests here, in folders of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


class Checkout:
    """A checkout as a user has it, beside the real one: its own environments and state."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def demo(self, *arguments: str, timeout_seconds: float = 240) -> str:
        """Run `python -m demo …`; fail the test with its output when it fails."""
        result = subprocess.run(
            [ROOT / ".venv/bin/python", "-m", "demo", *arguments],
            cwd=self.root,
            env={**os.environ, "PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


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
