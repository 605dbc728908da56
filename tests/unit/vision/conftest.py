"""The pinned artifact, unpacked once per module."""

import zipfile

import pytest

from shared.artifact.archive import Artifact, open_artifact
from testkit.pinned import pinned_artifact


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    artifact = pinned_artifact()
    folder = tmp_path_factory.mktemp("shapes")
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(folder)
    return open_artifact(artifact, folder, artifact.parent.name)
