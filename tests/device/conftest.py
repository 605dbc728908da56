"""Fixtures: a core, functions that end with their test, and the shapes model."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.artifact.archive import Artifact, open_artifact
from testkit.greengrass_ipc import Core, serving
from testkit.pinned import pinned_artifact
from tests.device.function_process import Function


@dataclass(frozen=True)
class Unpacked:
    """An artifact as Greengrass installs it on a core device."""

    archive: Path
    directory: Path
    digest: str


@pytest.fixture
def functions() -> Iterator[list[Function]]:
    started: list[Function] = []
    yield started
    for function in started:
        function.process.kill()
        function.process.wait()


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    made = Core(tmp_path / "ipc.socket")
    with serving(made):
        yield made


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Unpacked:
    """The pinned shapes model, with its unpacked files."""
    archive = pinned_artifact()
    directory = tmp_path_factory.mktemp("unpacked") / "model"
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(directory)
    return Unpacked(archive, directory, archive.parent.name)


@pytest.fixture(scope="session")
def artifact(shapes: Unpacked) -> Artifact:
    """The pinned model as an opened artifact."""
    return open_artifact(shapes.archive, shapes.directory, shapes.digest)
