"""Commands reject a FIFO or a device in place of a file, because reading would not end."""

import os
from pathlib import Path

import pytest

from deeplens.config import ConfigError, load_environments
from deeplens.releases.artifacts import sha256_of as artifact_digest
from deeplens.releases.pin import PinError, pin_model
from model_tools.artifact.infer import read_training
from model_tools.artifact.labels import read_labels
from model_tools.errors import SourceError
from model_tools.freezing.frozen_model import DETAILS_NAME, read_frozen, sha256_of
from model_tools.graph.messages import message_class, scan_file
from model_tools.mxnet.symbol import read_symbol
from model_tools.verification.expected_detections import read_expected
from shared.artifact.errors import ArtifactError


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    file = tmp_path / DETAILS_NAME
    os.mkfifo(file)
    return file


def test_a_fifo_in_a_models_folder_is_not_opened(fifo: Path) -> None:
    with pytest.raises(SourceError, match="is not a regular file"):
        read_frozen(fifo.parent)
    with pytest.raises(SourceError, match="is not a regular file"):
        sha256_of(fifo)
    with pytest.raises(SourceError, match="is not a regular file"):
        scan_file(fifo, message_class("GraphDef"))
    with pytest.raises(SourceError, match="is not a regular file"):
        read_symbol(fifo)


def test_a_fifo_is_not_an_artifact(fifo: Path) -> None:
    with pytest.raises(ArtifactError, match="is not a regular file"):
        artifact_digest(fifo)


@pytest.mark.parametrize("name", ["labels.txt", "labels.json", "labels.pbtxt"])
def test_labels_are_read_up_to_their_limit_whatever_size_a_file_claims(
    tmp_path: Path, name: str
) -> None:
    # /dev/zero has a size of 0 and unlimited content.
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(SourceError, match="is larger than 4194304 bytes"):
        read_labels(tmp_path / name)


def test_training_and_expectations_have_a_limit_as_well() -> None:
    with pytest.raises(SourceError, match="is larger than 65536 bytes"):
        read_training(Path("/dev/zero"))
    with pytest.raises(SourceError, match="is larger than 67108864 bytes"):
        read_expected(Path("/dev/zero"))


def test_a_pipe_is_read_as_a_file() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"cat\ndog\n")
    os.close(writing)
    try:
        assert read_labels(Path(f"/dev/fd/{reading}")) == {1: "cat", 2: "dog"}
    finally:
        os.close(reading)


def test_an_environment_file_that_is_not_regular_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "dev.toml")
    with pytest.raises(PinError, match="is not a regular file"):
        pin_model(tmp_path / "dev.toml", "shapes", "ab" * 32)
    with pytest.raises(ConfigError, match="is not a regular file"):
        load_environments(tmp_path)


def test_a_key_that_an_environment_file_has_twice_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dev.toml").write_text('[model]\nname = "a"\nname = "b"\n', encoding="utf-8")
    with pytest.raises(PinError, match='not valid TOML: Key "name" already exists'):
        pin_model(tmp_path / "dev.toml", "shapes", "ab" * 32)
    with pytest.raises(ConfigError, match="not valid TOML: Cannot overwrite a value"):
        load_environments(tmp_path)
