"""The synthesis that tests/synth looks at, as the rules read it."""

from pathlib import Path

import pytest
from policy.reading import Stack, read_assembly

from tests.synth.conftest import assembly

__all__ = ["assembly"]


@pytest.fixture(scope="session")
def environments(assembly: Path) -> dict[str, list[Stack]]:
    """Stacks by environment."""
    return read_assembly(assembly)
