"""A checkout with a separate emulator, in which a pipeline runs."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deeplens.config import EnvironmentConfig, load_environments
from testkit.account_keys import client

ROOT = Path(__file__).parents[2]
_SOURCES = (
    "deeplens",
    "environments",
    "lambda_src",
    "local_aws",
    "model_tools",
    "models",
    "policies",
    "stacks",
    "tools",
)


@dataclass(frozen=True)
class Site:
    """A checkout in which tests run a user's commands."""

    root: Path

    def run(self, *command: str, code: int = 0) -> str:
        result = subprocess.run(
            [ROOT / ".venv/bin/python", "-m", *command],
            cwd=self.root,
            env={
                **os.environ,
                "PYTHONPATH": f"{self.root}:{self.root}/lambda_src",
                "GIT_AUTHOR_NAME": "A Person",
                "GIT_AUTHOR_EMAIL": "person@example.com",
            },
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert result.returncode == code, result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        return result.stdout + result.stderr

    def deliver(self, *arguments: str, code: int = 0) -> str:
        return self.run("deeplens", "local", "deliver", *arguments, code=code)

    def environment(self, name: str) -> EnvironmentConfig:
        listed = load_environments(self.root / "environments")
        return next(environment for environment in listed if environment.name == name)

    def client(self, name: str, service: str) -> Any:
        account = self.environment(name).account
        return client(service, self.root / ".local/aws/endpoint.json", account)

    def stacks(self, name: str) -> dict[str, str]:
        """Return the status of an environment's stacks by name.

        The result omits the stacks of the bootstrap and of the policies, and stacks with a status
        DELETE_*.
        """
        listed = self.client(name, "cloudformation").describe_stacks()["Stacks"]
        return {
            stack["StackName"]: stack["StackStatus"]
            for stack in listed
            if stack["StackName"] not in {"DeepLensToolkit", "DeepLensPolicies"}
            and not stack["StackStatus"].startswith("DELETE")
        }

    def outputs(self, name: str, stack: str = "Inference") -> dict[str, str]:
        (listed,) = self.client(name, "cloudformation").describe_stacks(
            StackName=f"{name}-{stack}"
        )["Stacks"]
        return {outputs["OutputKey"]: outputs["OutputValue"] for outputs in listed["Outputs"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A checkout with copied sources, linked Python environments and a new state."""
    root = tmp_path_factory.mktemp("delivery")
    for name in (".venv", ".venv-local-aws", ".venv-device", "node_modules"):
        (root / name).symlink_to(ROOT / name)
    for name in _SOURCES:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "cdk.json", "package.json"):
        shutil.copy(ROOT / name, root / name)
    # `make setup` must do nothing, because the Python environments are links.
    (root / "Makefile").write_text("setup:\n\t@true\n", encoding="utf-8")
    for file in (root / "environments").glob("*.toml"):
        text = re.sub(r"wait_seconds = \d+", "wait_seconds = 240", file.read_text("utf-8"))
        text = text.replace("frame_interval_seconds = 0.5", "frame_interval_seconds = 1.0")
        file.write_text(text, encoding="utf-8")
    command = [ROOT / ".venv-local-aws/bin/python", "-m", "local_aws"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run([*command, "up"], cwd=root, env=environment, check=True, timeout=300)
    yield Site(root)
    subprocess.run([*command, "down"], cwd=root, env=environment, check=True, timeout=300)
