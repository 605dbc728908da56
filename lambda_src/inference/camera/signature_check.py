"""Verification of releases on the camera: a trusted signature, and no older release.

The accepted release is recorded on the camera's disk. An older release is accepted in one case: it
ran directly before the newer release, which was accepted less than a day ago. A failed rollout can
therefore be rolled back without a signature. Every other rollback is signed (docs/signing.md).
"""

import json
import logging
import time
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.artifact.archive import BROKEN_ZIP, Artifact
from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import MANIFEST_NAME
from shared.signatures import (
    Accepted,
    Attack,
    Expected,
    SignatureRefused,
    Statement,
    TrustedKeys,
    check_expected,
    check_newer,
    open_bundle,
    parse_public_keys,
)
from shared.signatures.bundle import LARGEST_BUNDLE_BYTES

logger = logging.getLogger(__name__)

# The keys that the device's owner has installed; they replace the keys of a deployment.
OWNER_KEYS = Path("/etc/deeplens/trusted-keys.pem")
ROLLBACK_SECONDS = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class SignatureSettings:
    """The signature settings of a deployment."""

    model: str
    statement: Path
    keys: TrustedKeys
    required: bool


@dataclass(frozen=True)
class _Record:
    """The accepted release, its time (seconds since the epoch), and the release before it."""

    accepted: Accepted
    at: float
    before: Accepted | None

    @classmethod
    def of(cls, document: Any) -> "_Record":
        before = document["before"]
        return cls(
            Accepted(**document["accepted"]),
            float(document["at"]),
            Accepted(**before) if before else None,
        )


class SignatureVerifier:
    """A verifier of releases, which records the accepted release of each model."""

    def __init__(
        self,
        settings: SignatureSettings,
        state_directory: Path,
        *,
        owner_keys: Path = OWNER_KEYS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Record releases in `state_directory`; if `owner_keys` exists, trust only its keys."""
        self._settings = settings
        self._file = state_directory / "releases.json"
        self._own_keys = owner_keys
        self._now = now

    def check_deployed(self, archive: Path, digest: str) -> Statement | None:
        """Verify the deployed release before it is read.

        Returns None if no signature is required.

        Raises:
            SignatureRefused: the release must not run; the message begins with the attack.
        """
        statement = self._statement(self._settings.statement, archive, digest)
        if statement is None:
            return None
        record = self._record(statement.model)
        if record is not None and self._is_rollback(statement, record):
            return statement
        is_accepted = record is not None and record.accepted == Accepted.of(statement)
        try:
            check_newer(
                statement,
                record.accepted if record else None,
                self._trusted,
                datetime.fromtimestamp(self._now(), UTC),
            )
        except SignatureRefused as refusal:
            # A release that was accepted before it expired continues to run.
            if not (is_accepted and refusal.attack is Attack.INDEFINITE_FREEZE):
                raise
            logger.warning(
                "%s; it continues to run, because it was accepted before it expired", refusal
            )
        return statement

    def check_stored(self, archive: Path, digest: str) -> Statement | None:
        """Verify the signature of a stored release, even if a newer release was accepted.

        Returns None if no signature is required.

        Raises:
            SignatureRefused: no trusted key signed the release.
        """
        return self._statement(archive.with_name(f"{archive.name}.sig"), archive, digest)

    def check_content(self, archive: Path, artifact: Artifact) -> None:
        """Check that a signed artifact contains only the files of its manifest.

        Raises:
            SignatureRefused: the artifact contains another file.
        """
        allowed = {MANIFEST_NAME, *artifact.manifest.files}
        try:
            with zipfile.ZipFile(archive) as packed:
                present = {name for name in packed.namelist() if not name.endswith("/")}
        except BROKEN_ZIP as error:
            raise ArtifactError(f"{archive}: not a model artifact: {error}") from None
        present |= {
            path.relative_to(artifact.directory).as_posix()
            for path in artifact.directory.rglob("*")
            if not path.is_dir()
        }
        if unexpected := sorted(present - allowed):
            raise SignatureRefused(
                Attack.EXTRANEOUS_DEPENDENCIES,
                f"{archive} contains {', '.join(unexpected)[:200]}, not listed in its manifest",
            )

    def accept(self, statement: Statement) -> None:
        """Record a verified release that can be loaded."""
        logger.info(
            "verified: release %d of %s, signed by key %s…",
            statement.release,
            statement.model,
            statement.key[:12],
        )
        records, new = self._read(), Accepted.of(statement)
        record = self._record(statement.model)
        if record is not None and record.accepted == new:
            return
        is_rollback = record is not None and self._is_rollback(statement, record)
        before = record.accepted if record is not None and not is_rollback else None
        records[statement.model] = asdict(_Record(new, self._now(), before))
        partial = self._file.with_suffix(".partial")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(records), encoding="utf-8")
            partial.replace(self._file)
        except OSError as error:
            logger.warning("release %d cannot be recorded: %s", statement.release, error)

    @property
    def statement_file(self) -> Path:
        """The path of the deployed statement."""
        return self._settings.statement

    @property
    def _trusted(self) -> TrustedKeys:
        if not self._own_keys.is_file():
            return self._settings.keys
        keys = parse_public_keys(self._own_keys.read_text(encoding="utf-8-sig"))
        return TrustedKeys.of(keys, self._settings.keys.revoked)

    def _statement(self, file: Path, archive: Path, digest: str) -> Statement | None:
        try:
            with file.open("rb") as opened:
                content = opened.read(LARGEST_BUNDLE_BYTES + 1)
        except OSError:
            if not self._settings.required and not self._own_keys.is_file():
                return None
            raise SignatureRefused(
                Attack.ARBITRARY_SOFTWARE,
                f"{file} does not exist: this release is not signed; run `deeplens release sign`",
            ) from None
        statement = open_bundle(content, self._trusted)
        check_expected(statement, Expected(self._settings.model, digest))
        self._check_size(archive, statement)
        return statement

    def _check_size(self, archive: Path, statement: Statement) -> None:
        signed = statement.artifact.size_bytes
        try:
            size = archive.stat().st_size
        except OSError:
            raise SignatureRefused(
                Attack.MALICIOUS_MIRROR,
                f"{archive}: release {statement.release} is signed, but the archive does not exist",
            ) from None
        if size > signed:
            raise SignatureRefused(
                Attack.ENDLESS_DATA,
                f"{archive} has {size} bytes; expected {signed}, the signed size",
            )
        if size < signed:
            raise SignatureRefused(
                Attack.ARBITRARY_SOFTWARE,
                f"{archive} has {size} bytes; expected {signed}, the signed size",
            )

    def _is_rollback(self, statement: Statement, record: _Record) -> bool:
        """Return true if the release preceded a release that was accepted less than a day ago."""
        age = self._now() - record.at
        return record.before == Accepted.of(statement) and 0 <= age < ROLLBACK_SECONDS

    def _record(self, model: str) -> _Record | None:
        try:
            return _Record.of(self._read()[model])
        except KeyError:
            return None
        except (TypeError, ValueError):
            logger.warning(
                "%s cannot be read; the next release is accepted without a comparison", self._file
            )
            return None

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}
