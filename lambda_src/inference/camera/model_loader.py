"""The selection of the model: the deployed model, or the last working model if it fails.

The digest is verified each time that a model is loaded. A new model is abandoned after three failed
starts, because a model with the expected digest can still crash the process.
"""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from camera.inference import RunnableModel
from camera.signature_check import SignatureVerifier
from shared.artifact.archive import Artifact, open_artifact
from shared.artifact.errors import ArtifactError
from shared.messages.heartbeat import ModelIdentity
from shared.signatures import Statement
from shared.vision.engine import InferenceEngine

logger = logging.getLogger(__name__)

MAX_FAILED_STARTS = 3
_GOOD_AFTER_FRAMES = 10

OpenEngine = Callable[[Artifact], InferenceEngine]


class ModelLoader:
    """A provider of the deployed artifact, which stores a copy of each artifact that works."""

    def __init__(  # noqa: PLR0913 - keyword-only parts
        self,
        *,
        archive: Path,
        directory: Path,
        digest: str,
        state_directory: Path,
        open_engine: OpenEngine,
        verifier: SignatureVerifier | None = None,
    ) -> None:
        """Load the archive with this digest, which Greengrass unpacked into `directory`.

        If `verifier` is given, it verifies the signature of each release.
        """
        self._archive = archive
        self._directory = directory
        self._digest = digest
        self._folder = state_directory / "models"
        self._starts_file = self._folder / "starts.json"
        self._good_file = self._folder / "good"
        self._open_engine = open_engine
        self._verifier = verifier
        self._frames_to_go = 0

    def load(self) -> RunnableModel:
        """Return the deployed model, or the last working model with the cause of the fallback.

        Raises:
            ArtifactError: the deployed model fails and no other model exists. An engine may raise
                other errors.
        """
        good = self._last_good()
        try:
            if good not in {None, self._digest}:
                self._abandon_after_failed_starts()
            self._count_start()
            # From here on, a stop by a signal is not a failed start, even while the engine opens
            # the model.
            self._frames_to_go = _GOOD_AFTER_FRAMES
            loaded = self._load_deployed()
        except Exception as error:
            self._frames_to_go = 0
            if good is None:
                raise
            logger.exception("the deployed model %s cannot run", self._digest)
            folder = self._folder / good
            archive = folder / "model.zip"
            signed = self._verifier.check_stored(archive, good) if self._verifier else None
            last = self._load(archive, folder / "model", good, signed)
            reason = ArtifactError(
                f"the deployed model {self._digest} cannot run, {good} runs instead: {error}"
            )
            return replace(last, fallback_cause=reason)
        return loaded

    def frame_done(self) -> None:
        """Count the first frames of the deployed model; after ten frames, the model works."""
        if self._frames_to_go:
            self._frames_to_go -= 1
            if not self._frames_to_go:
                self._store()

    def withdraw(self) -> None:
        """Do not count the current start as failed, because a signal ends the process."""
        if self._failed_starts() and self._frames_to_go:
            self._write_starts(self._failed_starts() - 1)

    def _load_deployed(self) -> RunnableModel:
        statement = (
            self._verifier.check_deployed(self._archive, self._digest) if self._verifier else None
        )
        loaded = self._load(self._archive, self._directory, self._digest, statement)
        if self._verifier and statement:
            self._verifier.accept(statement)
        return loaded

    def _load(
        self, archive: Path, directory: Path, digest: str, statement: Statement | None
    ) -> RunnableModel:
        artifact = open_artifact(archive, directory, digest)
        if self._verifier:
            self._verifier.check_content(archive, artifact)
        manifest = artifact.manifest
        identity = ModelIdentity(manifest.name, manifest.version, artifact.digest)
        return RunnableModel(
            identity,
            self._open_engine(artifact),
            baseline=manifest.baseline,
            directory=directory,
            labels=tuple(label for _, label in sorted(artifact.labels.items())),
            signed_by=statement.key if statement else None,
        )

    def _last_good(self) -> str | None:
        try:
            digest = self._good_file.read_text(encoding="utf-8").strip()
        except OSError:
            return None
        return digest if (self._folder / digest / "model.zip").is_file() else None

    def _abandon_after_failed_starts(self) -> None:
        if self._failed_starts() >= MAX_FAILED_STARTS:
            raise ArtifactError(f"the model failed {MAX_FAILED_STARTS} starts")

    def _failed_starts(self) -> int:
        try:
            starts = json.loads(self._starts_file.read_text(encoding="utf-8"))
            return int(starts["starts"]) if starts["digest"] == self._digest else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _count_start(self) -> None:
        if self._last_good() != self._digest:
            self._write_starts(self._failed_starts() + 1)

    def _write_starts(self, starts: int) -> None:
        document = json.dumps({"digest": self._digest, "starts": starts})
        # Without disk space, the model still runs, but failed starts are not counted.
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            _write_durably(self._starts_file, document)

    def _store(self) -> None:
        """Store a copy, because Greengrass removes artifacts that are no longer deployed."""
        folder, partial = self._folder / self._digest, self._folder / "partial"
        if self._last_good() == self._digest:
            self._store_statement(folder)
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            shutil.copyfile(self._archive, partial / "model.zip")
            shutil.copytree(self._directory, partial / "model")
            self._store_statement(partial)
            open_artifact(partial / "model.zip", partial / "model", self._digest)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
            _write_durably(self._good_file, self._digest)
            self._starts_file.unlink(missing_ok=True)
        except (OSError, ArtifactError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            logger.warning("the model %s cannot be stored: %s", self._digest, error)
            return
        for other in self._folder.iterdir():
            if other.is_dir() and other != folder:
                shutil.rmtree(other, ignore_errors=True)

    def _store_statement(self, folder: Path) -> None:
        """Store the newest statement, because the key of an earlier statement may be revoked."""
        if self._verifier and self._verifier.statement_file.is_file():
            partial = folder / "statement.partial"
            with contextlib.suppress(OSError):
                shutil.copyfile(self._verifier.statement_file, partial)
                partial.rename(folder / "model.zip.sig")


def _write_durably(file: Path, text: str) -> None:
    partial = file.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    partial.rename(file)
