"""Every peer's synthesis of the same environments, once."""

import os
from pathlib import Path

import pytest

from tests.peers.peers import BENCHMARKS_PYTHON, NODE, PEERS, PYTHON, run, write_environments
from tests.synth.synthesis import synthesize
from tools.assembly import SynthesizedStack, read_assembly


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed environments, one that says nothing, and one that says everything."""
    folder = tmp_path_factory.mktemp("environments")
    write_environments(folder)
    return folder


@pytest.fixture(scope="session")
def own_assembly(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    result = synthesize(folder, environments)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def own(own_assembly: Path) -> dict[str, SynthesizedStack]:
    """What app.py synthesizes, by the stack's name."""
    return {stack.name: stack for stack in read_assembly(own_assembly)}


@pytest.fixture(scope="session")
def default_assembly(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("default")
    result = run(
        [PYTHON, PEERS / "default_app.py"],
        {
            "CDK_OUTDIR": str(folder),
            "ENVIRONMENTS": str(environments),
            "PATH": f"{NODE.parent}:{os.environ['PATH']}",
        },
    )
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def javascript(
    environments: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, SynthesizedStack]:
    """What the JavaScript peer synthesizes, by the stack's name."""
    folder = tmp_path_factory.mktemp("javascript")
    result = run(
        [NODE, PEERS / "javascript" / "app.js"],
        {"CDK_OUTDIR": str(folder), "ENVIRONMENTS": str(environments)},
    )
    assert result.returncode == 0, result.stderr
    return {stack.name: stack for stack in read_assembly(folder)}


@pytest.fixture(scope="session")
def troposphere(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where troposphere wrote its templates."""
    folder = tmp_path_factory.mktemp("troposphere")
    result = run(
        [BENCHMARKS_PYTHON, PEERS / "troposphere_app.py", folder],
        {"ENVIRONMENTS": str(environments)},
    )
    assert result.returncode == 0, result.stderr
    return folder
