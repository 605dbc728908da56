"""Syntheses of the same environments by the project and its peers, once per session."""

import os
from pathlib import Path

import pytest

from deeplens.assembly import Stack, read_assembly
from tests.peers.peers import NODE, PEERS, PYTHON, run, write_environments
from tests.synth.synthesis import synthesize


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The committed environments, an environment with all defaults, and one without defaults."""
    folder = tmp_path_factory.mktemp("environments")
    write_environments(folder)
    return folder


@pytest.fixture(scope="session")
def own_assembly(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly that app.py writes."""
    folder = tmp_path_factory.mktemp("own")
    result = synthesize(folder, environments)
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def default_assembly(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of the project's app with CDK's default settings."""
    return _python_assembly("default_app.py", environments, tmp_path_factory.mktemp("default"))


@pytest.fixture(scope="session")
def monitoring_assembly(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of the peer's stack, synthesized by this project."""
    return _python_assembly("monitoring_app.py", environments, tmp_path_factory.mktemp("peer"))


@pytest.fixture(scope="session")
def javascript_assembly(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The assembly of the peer's stack, synthesized in JavaScript."""
    folder = tmp_path_factory.mktemp("javascript")
    result = run(
        [NODE, PEERS / "javascript" / "app.js"],
        {"CDK_OUTDIR": str(folder), "ENVIRONMENTS": str(environments)},
    )
    assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def own(own_assembly: Path) -> dict[str, Stack]:
    """The Monitoring stacks of app.py by name."""
    return _monitoring_stacks(own_assembly)


@pytest.fixture(scope="session")
def javascript(javascript_assembly: Path) -> dict[str, Stack]:
    """The Monitoring stacks of the JavaScript peer by name."""
    return _monitoring_stacks(javascript_assembly)


def _python_assembly(script: str, environments: Path, folder: Path) -> Path:
    result = run(
        [PYTHON, PEERS / script],
        {
            "CDK_OUTDIR": str(folder),
            "ENVIRONMENTS": str(environments),
            "PATH": f"{NODE.parent}:{os.environ['PATH']}",
        },
        environments=str(environments),
    )
    assert result.returncode == 0, result.stderr
    return folder


def _monitoring_stacks(assembly: Path) -> dict[str, Stack]:
    return {
        stack.name: stack for stack in read_assembly(assembly) if stack.name.endswith("-Monitoring")
    }
