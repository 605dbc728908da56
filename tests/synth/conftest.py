"""One synthesis with cdk.json's flags, shared by the tests in this folder."""

from pathlib import Path
from typing import Any

import pytest

from deeplens.assembly import read_assembly
from tests.synth.synthesis import synthesize


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly that `cdk deploy` deploys."""
    folder = tmp_path_factory.mktemp("assembly")
    result = synthesize(folder)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def templates(assembly: Path) -> dict[str, dict[str, Any]]:
    """Every template by stack name, for example `dev-Inference`."""
    return {stack.name: stack.template for stack in read_assembly(assembly)}
