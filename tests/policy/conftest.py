"""The synthesis that tests/synth looks at, as the rules read it."""

from pathlib import Path

import pytest

from tests.synth.conftest import assembly
from tools.assembly import read_assembly
from tools.policy.reading import Stack, by_environment

__all__ = ["assembly"]


@pytest.fixture(scope="session")
def environments(assembly: Path) -> dict[str, list[Stack]]:
    """Stacks by environment."""
    return by_environment(read_assembly(assembly))
