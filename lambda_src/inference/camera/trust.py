"""Whether the camera may load a release: signed by whom, and not older than what it had.

What was accepted is on the camera's own disk. A release may be older than that in one case only:
it ran here directly before, and the newer one came less than a day ago. So a rollout that fails
goes back by itself; every other way back is signed (docs/signing.md).
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

from shared.artifact.archive import Artifact
from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import MANIFEST_NAME
from shared.artifact.zips import BROKEN_ZIP
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

# The keys that whoever owns the device chose; they outweigh those of a deployment.
OWN_KEYS = Path("/etc/deeplens/trusted-keys.pem")
GOES_BACK_SECONDS = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class TrustSettings:
    """What a deployment says of signatures."""

    model: str
    statement: Path
    keys: TrustedKeys
    required: bool


@dataclass(frozen=True)
class _Memory:
    """What was accepted, when (seconds since 1970), and what ran before it."""

    accepted: Accepted
    at: float
    before: Accepted | None

    @classmethod
    def of(cls, document: Any) -> "_Memory":
        before = document["before"]
        return cls(
            Accepted(**document["accepted"]),
            float(document["at"]),
            Accepted(**before) if before else None,
        )


class ReleaseTrust:
    """Verifies releases, and remembers the newest that it accepted."""

    def __init__(
        self,
        settings: TrustSettings,
        state_directory: Path,
        *,
        own_keys: Path = OWN_KEYS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Remember in `state_directory`; trust the keys in `own_keys` alone, if it is there."""
        self._settings = settings
        self._file = state_directory / "releases.json"
        self._own_keys = own_keys
        self._now = now

    def check_deployed(self, archive: Path, digest: str) -> Statement | None:
        """Verify the deployed release before its bytes are read; None if nobody must have signed.

        Raises:
            SignatureRefused: it must not run; the text begins with the attack.
        """
        statement = self._statement(self._settings.statement, archive, digest)
        if statement is None:
            return None
        memory = self._memory(statement.model)
        if memory is not None and self._goes_back(statement, memory):
            return statement
        is_accepted = memory is not None and memory.accepted == Accepted.of(statement)
        try:
            check_newer(
                statement,
                memory.accepted if memory else None,
                self._trusted,
                datetime.fromtimestamp(self._now(), UTC),
            )
        except SignatureRefused as refusal:
            # What was taken in time goes on: a camera without a model is no safer.
            if not (is_accepted and refusal.attack is Attack.INDEFINITE_FREEZE):
                raise
            logger.warning("%s; it goes on, since it was accepted in time", refusal)
        return statement

    def check_kept(self, archive: Path, digest: str) -> Statement | None:
        """Verify a release that this camera kept: signed, whatever came after it.

        Returns None if nobody must have signed it.

        Raises:
            SignatureRefused: nobody who is trusted now signed it.
        """
        return self._statement(archive.with_name(f"{archive.name}.sig"), archive, digest)

    def check_content(self, archive: Path, artifact: Artifact) -> None:
        """Check that a signed artifact brings nothing that its manifest does not name.

        Raises:
            SignatureRefused: it does.
        """
        allowed = {MANIFEST_NAME, *artifact.manifest.files}
        try:
            with zipfile.ZipFile(archive) as packed:
                there = {name for name in packed.namelist() if not name.endswith("/")}
        except BROKEN_ZIP as error:
            raise ArtifactError(f"{archive}: not a model artifact: {error}") from None
        there |= {
            one.relative_to(artifact.directory).as_posix()
            for one in artifact.directory.rglob("*")
            if not one.is_dir()
        }
        if strange := sorted(there - allowed):
            raise SignatureRefused(
                Attack.EXTRANEOUS_DEPENDENCIES,
                f"{archive} brings {', '.join(strange)[:200]}, which its manifest does not name",
            )

    def accept(self, statement: Statement) -> None:
        """Remember a release that was verified and can be loaded."""
        logger.info(
            "verified: release %d of %s, signed by key %s…",
            statement.release,
            statement.model,
            statement.key[:12],
        )
        remembered, new = self._read(), Accepted.of(statement)
        memory = self._memory(statement.model)
        if memory is not None and memory.accepted == new:
            return
        gone_back = memory is not None and self._goes_back(statement, memory)
        before = memory.accepted if memory is not None and not gone_back else None
        remembered[statement.model] = asdict(_Memory(new, self._now(), before))
        partial = self._file.with_suffix(".partial")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(remembered), encoding="utf-8")
            partial.replace(self._file)
        except OSError as error:
            logger.warning("release %d cannot be remembered: %s", statement.release, error)

    @property
    def statement_file(self) -> Path:
        """Where the deployed statement is."""
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
                f"{file} is not there: nobody signed this release; `deeplens release sign`",
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
                f"{archive}: release {statement.release} is signed, and did not arrive",
            ) from None
        if size > signed:
            raise SignatureRefused(
                Attack.ENDLESS_DATA, f"{archive} has {size} bytes, {signed} were signed"
            )
        if size < signed:
            raise SignatureRefused(
                Attack.ARBITRARY_SOFTWARE, f"{archive} has {size} bytes, {signed} were signed"
            )

    def _goes_back(self, statement: Statement, memory: _Memory) -> bool:
        """Whether it ran directly before what came less than a day ago."""
        age = self._now() - memory.at
        return memory.before == Accepted.of(statement) and 0 <= age < GOES_BACK_SECONDS

    def _memory(self, model: str) -> _Memory | None:
        try:
            return _Memory.of(self._read()[model])
        except KeyError:
            return None
        except (TypeError, ValueError):
            logger.warning("%s: cannot be read; releases are counted afresh", self._file)
            return None

    def _read(self) -> dict[str, Any]:
        try:
            document = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}
