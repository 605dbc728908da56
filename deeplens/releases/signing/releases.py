"""Creation and verification of the signed statement of an artifact."""

import base64
import hashlib
import json
from datetime import datetime
from pathlib import Path

from deeplens.releases.signing.signers import Signer
from model_tools.artifact.archive import ARTIFACT_NAME
from model_tools.errors import SigningError, SourceError
from shared.artifact.archive import packed_manifest, sha256_of
from shared.artifact.errors import ArtifactError
from shared.artifact.manifest import Manifest
from shared.signatures import (
    Attack,
    Expected,
    SignatureRefused,
    SignedFile,
    Statement,
    TrustedKeys,
    check_expected,
    key_id,
    open_bundle,
)
from shared.signatures.bundle import (
    BUNDLE_TYPE,
    LARGEST_BUNDLE_BYTES,
    PAYLOAD_TYPE,
    pre_authentication_encoding,
)
from shared.signatures.statement import RELEASE_FILES

STATEMENT_NAME = "model.zip.sig"


def sign_release(
    artifact: Path,
    signer: Signer,
    *,
    release: int | None = None,
    again: bool = False,
    expires: datetime | None = None,
) -> Statement:
    """Write `model.zip.sig` next to the artifact, as the newest release of its model.

    Args:
        artifact: a model.zip; the other files of the release are in its folder.
        signer: the key.
        release: the release number; by default, one more than the highest number of the model.
        again: true to replace a signature; an older artifact then becomes the newest release.
        expires: the time until which the release is accepted; None for no limit.

    Returns:
        The signed statement.

    Raises:
        SourceError: the file is not an artifact.
        SigningError: the artifact is signed and `again` is false, a release has the same or a
            higher number, a statement cannot be read, or AWS KMS does not sign.
    """
    manifest = _manifest(artifact)
    file = artifact.with_name(STATEMENT_NAME)
    if file.exists() and not again:
        raise SigningError(
            f"{file}: is signed already, as release {_release_of(file)}; `--again` makes it the "
            "newest release"
        )
    signed = [_release_of(other) for other in artifact.parent.parent.glob(f"*/{STATEMENT_NAME}")]
    newest = max(signed, default=0)
    count = newest + 1 if release is None else release
    if count <= newest:
        raise SigningError(
            f"release {count}: {manifest.name} has release {newest} already, and release numbers "
            f"increase; {newest + 1} works"
        )
    files = {
        member.name: SignedFile(sha256_of(member), member.stat().st_size)
        for member in artifact.parent.iterdir()
        if member.name in RELEASE_FILES
    }
    key = key_id(signer.public_key)
    statement = Statement(manifest.name, manifest.version, count, expires, files, key)
    content = _bundle(statement, signer)
    # A statement is written only if it can be verified.
    if open_bundle(content, TrustedKeys.of([signer.public_key])) != statement:
        raise SigningError(f"{file}: the signed statement differs from the expected one")
    unfinished = file.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(file)
    return statement


def read_statement(artifact: Path, trusted: TrustedKeys) -> Statement:
    """Return the statement about the artifact, after a check of its signature and of every file.

    Raises:
        SignatureRefused: a check failed; the message begins with the possible attack.
        SourceError: the file is not an artifact.
    """
    file = artifact.with_name(STATEMENT_NAME)
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_BUNDLE_BYTES + 1)
    except OSError:
        raise SignatureRefused(
            Attack.ARBITRARY_SOFTWARE,
            f"{file} does not exist: nobody signed it; `deeplens release sign {artifact}`",
        ) from None
    statement = open_bundle(content, trusted)
    manifest = _manifest(artifact)
    for name, signed in sorted(statement.files.items()):
        _check_file(artifact.with_name(name), signed, statement.release)
    check_expected(statement, Expected(manifest.name, statement.artifact.digest))
    present = {member.name for member in artifact.parent.iterdir()} & RELEASE_FILES
    if unsigned := present - statement.files.keys():
        raise SignatureRefused(
            Attack.EXTRANEOUS_DEPENDENCIES,
            f"{', '.join(sorted(unsigned))} is next to the artifact and is not signed; "
            f"`deeplens release sign {artifact} --again` signs all",
        )
    return statement


def _check_file(file: Path, signed: SignedFile, release: int) -> None:
    if not file.is_file():
        raise SignatureRefused(
            Attack.MALICIOUS_MIRROR, f"{file} belongs to release {release} and does not exist"
        )
    actual = sha256_of(file)
    if actual == signed.digest:
        return
    attack = Attack.ARBITRARY_SOFTWARE if file.name == ARTIFACT_NAME else Attack.MIX_AND_MATCH
    raise SignatureRefused(
        attack, f"{file} has SHA-256 {actual}, release {release} was signed with {signed.digest}"
    )


def _bundle(statement: Statement, signer: Signer) -> bytes:
    payload = json.dumps(statement.as_document(), sort_keys=True, separators=(",", ":")).encode()
    signature = signer.sign(hashlib.sha256(pre_authentication_encoding(payload)).digest())
    bundle = {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {
            "publicKey": {"hint": statement.key},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle, separators=(",", ":")).encode() + b"\n"


def _release_of(file: Path) -> int:
    """Return the release number in a statement, without verification of the signature.

    Raises:
        SigningError: the file is not a statement.
    """
    try:
        bundle = json.loads(file.read_bytes())
        payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        return int(payload["predicate"]["deeplens"]["release"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise SigningError(
            f"{file}: is not a statement, so the next release number is unknown; "
            "`git restore` the file, or remove it"
        ) from None


def _manifest(artifact: Path) -> Manifest:
    try:
        return Manifest.from_json(packed_manifest(artifact))
    except ArtifactError as error:
        raise SourceError(f"{artifact}: not a model artifact: {error}") from None
