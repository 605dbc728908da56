"""The camera runs the deployed model, or the last model that worked."""

import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from camera.inference import RunnableModel
from camera.model_loader import ModelLoader
from shared.artifact.archive import Artifact, sha256_of
from shared.artifact.errors import ArtifactError
from testkit.pinned import pinned_artifact

FRAMES_UNTIL_GOOD = 10


@dataclass
class Device:
    """A camera's state folder, to which releases are deployed in sequence."""

    folder: Path
    opened: list[str] = field(default_factory=list)
    crashes: set[str] = field(default_factory=set)
    fails: set[str] = field(default_factory=set)
    on_open: Callable[[], None] = lambda: None

    def artifact(self, name: str) -> Path:
        """Create an artifact with a new digest; return the folder with the zip and its content."""
        made = self.folder / "artifacts" / name
        made.mkdir(parents=True)
        shutil.copyfile(pinned_artifact(), made / "model.zip")
        with zipfile.ZipFile(made / "model.zip", "a") as packed:
            packed.comment = name.encode()
            packed.extractall(made / "model")
        return made

    def deployed(self, artifact: Path, digest: str | None = None) -> ModelLoader:
        return ModelLoader(
            archive=artifact / "model.zip",
            directory=artifact / "model",
            digest=digest or sha256_of(artifact / "model.zip"),
            state_directory=self.folder / "state",
            open_engine=self._open,
        )

    def run(self, artifact: Path, digest: str | None = None) -> RunnableModel:
        """Start the camera, process frames until the model counts as good, and return the model."""
        model = self.deployed(artifact, digest)
        loaded = model.load()
        for _ in range(FRAMES_UNTIL_GOOD):
            model.frame_done()
        return loaded

    def _open(self, artifact: Artifact) -> Any:
        self.opened.append(artifact.digest)
        if artifact.digest in self.crashes:
            raise SystemExit(f"{artifact.digest} ends the process")
        if artifact.digest in self.fails:
            raise ArtifactError(f"{artifact.digest} cannot be opened")
        self.on_open()
        return object()


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def swap(artifact: Path) -> None:
    with (artifact / "model.zip").open("ab") as opened:
        opened.write(b"more")


def truncate(artifact: Path) -> None:
    (artifact / "model.zip").write_bytes((artifact / "model.zip").read_bytes()[:1000])


def poison(artifact: Path) -> None:
    next((artifact / "model").glob("*.pb")).write_bytes(b"\x0a" * 56)


def remove(artifact: Path) -> None:
    shutil.rmtree(artifact)


BREAKS = [swap, truncate, poison, remove]


def test_a_valid_model_runs(device: Device) -> None:
    artifact = device.artifact("one")
    loaded = device.run(artifact)
    assert loaded.identity.digest == sha256_of(artifact / "model.zip")
    assert loaded.fallback_cause is None


@pytest.mark.parametrize("broken", BREAKS)
def test_a_bad_model_without_a_fallback_is_never_opened(
    device: Device, broken: Callable[[Path], None]
) -> None:
    artifact = device.artifact("one")
    digest = sha256_of(artifact / "model.zip")
    broken(artifact)
    with pytest.raises(ArtifactError):
        device.run(artifact, digest)
    assert device.opened == []


@pytest.mark.parametrize("broken", BREAKS)
def test_after_a_bad_model_the_last_working_one_runs_and_the_cause_names_both(
    device: Device, broken: Callable[[Path], None]
) -> None:
    good, bad = device.artifact("good"), device.artifact("bad")
    good_digest, bad_digest = (sha256_of(folder / "model.zip") for folder in (good, bad))
    device.run(good)
    # Greengrass removes artifacts that no deployment uses.
    shutil.rmtree(good)
    broken(bad)
    loaded = device.run(bad, bad_digest)
    assert loaded.identity.digest == good_digest
    assert bad_digest in str(loaded.fallback_cause)
    assert good_digest in str(loaded.fallback_cause)
    assert device.opened == [good_digest, good_digest]


def test_a_new_model_that_ends_the_process_three_times_is_abandoned(
    device: Device,
) -> None:
    good, bad = device.artifact("good"), device.artifact("bad")
    device.run(good)
    bad_digest = sha256_of(bad / "model.zip")
    device.crashes = {bad_digest}
    for _ in range(3):
        with pytest.raises(SystemExit):
            device.deployed(bad).load()
    loaded = device.run(bad)
    assert loaded.identity.digest == sha256_of(good / "model.zip")
    assert "failed 3 starts" in str(loaded.fallback_cause)
    assert device.opened.count(bad_digest) == 3


def test_starts_that_were_ended_by_a_stop_do_not_count(device: Device) -> None:
    good, new = device.artifact("good"), device.artifact("new")
    device.run(good)
    for _ in range(5):
        model = device.deployed(new)
        model.load()
        model.withdraw()
    assert device.run(new).fallback_cause is None


def test_starts_that_were_ended_by_a_stop_during_the_load_do_not_count(device: Device) -> None:
    good, new = device.artifact("good"), device.artifact("new")
    device.run(good)
    for _ in range(5):
        model = device.deployed(new)
        device.on_open = model.withdraw
        model.load()
    device.on_open = lambda: None
    assert device.run(new).fallback_cause is None


def test_a_stop_after_a_failed_load_does_not_withdraw_the_failed_start(device: Device) -> None:
    good, bad = device.artifact("good"), device.artifact("bad")
    device.run(good)
    device.fails = {sha256_of(bad / "model.zip")}
    for _ in range(3):
        model = device.deployed(bad)
        model.load()
        model.withdraw()
    device.fails = set()
    assert "failed 3 starts" in str(device.run(bad).fallback_cause)


def test_the_starts_of_one_model_are_not_counted_for_the_next(device: Device) -> None:
    good, bad, next_one = (device.artifact(name) for name in ("good", "bad", "next"))
    device.run(good)
    device.crashes = {sha256_of(bad / "model.zip")}
    for _ in range(3):
        with pytest.raises(SystemExit):
            device.deployed(bad).load()
    assert device.run(next_one).fallback_cause is None


def test_only_the_last_working_model_is_stored(device: Device) -> None:
    for name in ("one", "two", "three"):
        device.run(device.artifact(name))
    stored = [folder for folder in (device.folder / "state/models").iterdir() if folder.is_dir()]
    assert len(stored) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"digest": 1, "starts": "x"})])
def test_a_damaged_record_of_starts_does_not_prevent_a_start(device: Device, text: str) -> None:
    device.run(device.artifact("good"))
    (device.folder / "state/models/starts.json").write_text(text)
    assert device.run(device.artifact("new")).fallback_cause is None


def test_a_damaged_stored_copy_is_not_loaded(device: Device) -> None:
    good, bad = device.artifact("good"), device.artifact("bad")
    device.run(good)
    stored = device.folder / "state/models" / sha256_of(good / "model.zip")
    poison(stored)
    digest = sha256_of(bad / "model.zip")
    swap(bad)
    device.opened.clear()
    with pytest.raises(ArtifactError):
        device.run(bad, digest)
    assert device.opened == []
