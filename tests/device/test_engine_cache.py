"""Compiled models are cached for the next start; a damaged cache is discarded."""

import zipfile
from pathlib import Path

import pytest

from camera.engine_selection import engine_opener
from shared.artifact.archive import Artifact, open_artifact, sha256_of
from testkit.pinned import pinned_artifact


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    archive = pinned_artifact()
    folder = tmp_path_factory.mktemp("model")
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    return open_artifact(archive, folder, sha256_of(archive))


def test_a_compiled_model_is_cached_by_the_digest(artifact: Artifact, tmp_path: Path) -> None:
    (tmp_path / "engines/of-another-model").mkdir(parents=True)
    opened = engine_opener("openvino", tmp_path)(artifact)
    assert opened.name == "openvino"
    assert [folder.name for folder in (tmp_path / "engines").iterdir()] == [artifact.digest]
    assert list((tmp_path / "engines" / artifact.digest).glob("*.blob"))


def test_a_truncated_compiled_model_does_not_prevent_the_start(
    artifact: Artifact, tmp_path: Path
) -> None:
    open_engine = engine_opener("openvino", tmp_path)
    open_engine(artifact)
    for blob in (tmp_path / "engines" / artifact.digest).glob("*.blob"):
        blob.chmod(0o600)
        blob.write_bytes(blob.read_bytes()[: blob.stat().st_size // 2])
    assert open_engine(artifact).name == "openvino"


def test_without_a_disk_the_engine_opens_without_a_cache(
    artifact: Artifact, tmp_path: Path
) -> None:
    (tmp_path / "engines").write_text("not a folder")
    assert engine_opener("openvino", tmp_path)(artifact).name == "openvino"
