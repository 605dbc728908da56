"""The pinned artifact, unpacked once per module."""

import zipfile

import pytest

from testkit.pinned import pinned_artifact
from vision.artifact import Artifact, open_artifact


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    artifact = pinned_artifact()
    folder = tmp_path_factory.mktemp("shapes")
    with zipfile.ZipFile(artifact) as archive:
        archive.extractall(folder)
    return open_artifact(artifact, folder, artifact.parent.name)
