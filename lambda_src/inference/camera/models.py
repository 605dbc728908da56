"""Which model runs: the one that was deployed, or the last good one when that one is bad.

The digest is verified each time that a model is loaded. A model that was never good is given
three starts: it may be right by its digest and still end the process.
"""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from camera.inference import LoadedModel
from camera.messages import ModelIdentity
from camera.trust import ReleaseTrust
from shared.artifact.archive import Artifact, open_artifact
from shared.artifact.errors import ArtifactError, VisionError
from shared.signatures import Statement
from shared.vision.engine import InferenceEngine

logger = logging.getLogger(__name__)

MOST_FAILED_STARTS = 3
_GOOD_AFTER_FRAMES = 10

OpenEngine = Callable[[Artifact], InferenceEngine]


class DeployedModel:
    """Loads the deployed artifact, and keeps a copy of one that proved good."""

    def __init__(  # noqa: PLR0913 - what Greengrass unpacked, and the parts that open it
        self,
        *,
        archive: Path,
        directory: Path,
        digest: str,
        state_directory: Path,
        open_engine: OpenEngine,
        trust: ReleaseTrust | None = None,
    ) -> None:
        """`archive` and `directory` are as Greengrass unpacked them; `digest` is the expected.

        With `trust`, releases must be signed.
        """
        self._archive = archive
        self._directory = directory
        self._digest = digest
        self._kept = state_directory / "models"
        self._starts_file = self._kept / "starts.json"
        self._good_file = self._kept / "good"
        self._open_engine = open_engine
        self._trust = trust
        self._frames_to_go = 0

    def load(self) -> LoadedModel:
        """Return the deployed model, or the last good one and why it runs instead.

        Raises:
            VisionError: the deployed one is bad and there is no other. An engine may raise more.
        """
        good = self._last_good()
        try:
            if good not in {None, self._digest}:
                self._give_up_after_three_starts()
            self._note_start()
            # From here on, a stop is not a failed start, however long the engine takes to open.
            self._frames_to_go = _GOOD_AFTER_FRAMES
            loaded = self._load_deployed()
        except Exception as error:
            self._frames_to_go = 0
            if good is None:
                raise
            logger.exception("the deployed model %s cannot run", self._digest)
            folder = self._kept / good
            archive = folder / "model.zip"
            signed = self._trust.check_kept(archive, good) if self._trust else None
            last = self._load(archive, folder / "model", good, signed)
            reason = ArtifactError(
                f"the deployed model {self._digest} cannot run, {good} runs instead: {error}"
            )
            return replace(last, instead=reason)
        return loaded

    def frame_done(self) -> None:
        """Count the deployed model's first frames: it is good after ten."""
        if self._frames_to_go:
            self._frames_to_go -= 1
            if not self._frames_to_go:
                self._proved_good()

    def withdraw(self) -> None:
        """Do not count the start at hand: the process ends because it was told to."""
        if self._failed_starts() and self._frames_to_go:
            self._write_starts(self._failed_starts() - 1)

    def _load_deployed(self) -> LoadedModel:
        statement = self._trust.check_deployed(self._archive, self._digest) if self._trust else None
        loaded = self._load(self._archive, self._directory, self._digest, statement)
        if self._trust and statement:
            self._trust.accept(statement)
        return loaded

    def _load(
        self, archive: Path, directory: Path, digest: str, statement: Statement | None
    ) -> LoadedModel:
        artifact = open_artifact(archive, directory, digest)
        if self._trust:
            self._trust.check_content(archive, artifact)
        manifest = artifact.manifest
        identity = ModelIdentity(manifest.name, manifest.version, artifact.digest)
        return LoadedModel(
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
        return digest if (self._kept / digest / "model.zip").is_file() else None

    def _give_up_after_three_starts(self) -> None:
        if self._failed_starts() >= MOST_FAILED_STARTS:
            raise ArtifactError(f"it failed {MOST_FAILED_STARTS} starts")

    def _failed_starts(self) -> int:
        try:
            noted = json.loads(self._starts_file.read_text(encoding="utf-8"))
            return int(noted["starts"]) if noted["digest"] == self._digest else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _note_start(self) -> None:
        if self._last_good() != self._digest:
            self._write_starts(self._failed_starts() + 1)

    def _write_starts(self, starts: int) -> None:
        document = json.dumps({"digest": self._digest, "starts": starts})
        # Without room for a note the model still runs; a crash then goes uncounted.
        with contextlib.suppress(OSError):
            self._kept.mkdir(parents=True, exist_ok=True)
            _write_durably(self._starts_file, document)

    def _proved_good(self) -> None:
        """Keep a copy: Greengrass removes what is no longer deployed."""
        folder, partial = self._kept / self._digest, self._kept / "partial"
        if self._last_good() == self._digest:
            self._keep_statement(folder)
            return
        try:
            self._kept.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            shutil.copyfile(self._archive, partial / "model.zip")
            shutil.copytree(self._directory, partial / "model")
            self._keep_statement(partial)
            open_artifact(partial / "model.zip", partial / "model", self._digest)
            shutil.rmtree(folder, ignore_errors=True)
            partial.rename(folder)
            _write_durably(self._good_file, self._digest)
            self._starts_file.unlink(missing_ok=True)
        except (OSError, VisionError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            logger.warning("the good model %s cannot be kept: %s", self._digest, error)
            return
        for other in self._kept.iterdir():
            if other.is_dir() and other != folder:
                shutil.rmtree(other, ignore_errors=True)

    def _keep_statement(self, folder: Path) -> None:
        """Keep who signed it last: the key that signed it first may be gone some day."""
        if self._trust and self._trust.statement_file.is_file():
            fresh = folder / "statement.partial"
            with contextlib.suppress(OSError):
                shutil.copyfile(self._trust.statement_file, fresh)
                fresh.rename(folder / "model.zip.sig")


def _write_durably(file: Path, text: str) -> None:
    partial = file.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    partial.rename(file)
