"""Writing the statement beside an artifact, and checking one."""

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
    """Write `model.zip.sig` beside the artifact: what it is, and that it is the newest release.

    Args:
        artifact: a model.zip; what else belongs to the release lies beside it.
        signer: who signs.
        release: its count; one more than the highest that was signed for this model, if None.
        again: sign what is signed already; so an older artifact becomes the newest release.
        expires: until when it may be taken.

    Raises:
        SourceError: it is no artifact.
        SigningError: it is signed already, or the count is not above all others.
    """
    manifest = _manifest(artifact)
    file = artifact.with_name(STATEMENT_NAME)
    if file.exists() and not again:
        raise SigningError(
            f"{file}: is signed already, as release {_release_of(file)}; `--again` makes it the "
            "newest release"
        )
    signed = [_release_of(one) for one in artifact.parent.parent.glob(f"*/{STATEMENT_NAME}")]
    newest = max(signed, default=0)
    count = newest + 1 if release is None else release
    if count <= newest:
        raise SigningError(
            f"release {count}: {manifest.name} has release {newest} already, and the count only "
            f"grows; {newest + 1} works"
        )
    files = {
        one.name: SignedFile(sha256_of(one), one.stat().st_size)
        for one in artifact.parent.iterdir()
        if one.name in RELEASE_FILES
    }
    key = key_id(signer.public_key)
    statement = Statement(manifest.name, manifest.version, count, expires, files, key)
    content = _bundle(statement, signer)
    # What nobody could verify must not be written.
    if open_bundle(content, TrustedKeys.of([signer.public_key])) != statement:
        raise SigningError(f"{file}: what the key signed does not say what it should")
    unfinished = file.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(file)
    return statement


def read_statement(artifact: Path, trusted: TrustedKeys) -> Statement:
    """Return what a trusted key signed about the artifact, whose every file was checked.

    Raises:
        SignatureRefused: the text begins with the attack that it could be.
    """
    file = artifact.with_name(STATEMENT_NAME)
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_BUNDLE_BYTES + 1)
    except OSError:
        raise SignatureRefused(
            Attack.ARBITRARY_SOFTWARE,
            f"{file} is not there: nobody signed this artifact; `deeplens release sign {artifact}`",
        ) from None
    statement = open_bundle(content, trusted)
    manifest = _manifest(artifact)
    for name, signed in sorted(statement.files.items()):
        _check_file(artifact.with_name(name), signed, statement.release)
    check_expected(statement, Expected(manifest.name, statement.artifact.digest))
    beside = {one.name for one in artifact.parent.iterdir()} & RELEASE_FILES
    if unsigned := beside - statement.files.keys():
        raise SignatureRefused(
            Attack.EXTRANEOUS_DEPENDENCIES,
            f"{', '.join(sorted(unsigned))} lies beside the artifact and is not signed; "
            f"`deeplens release sign {artifact} --again` signs all",
        )
    return statement


def _check_file(file: Path, signed: SignedFile, release: int) -> None:
    if not file.is_file():
        raise SignatureRefused(
            Attack.MALICIOUS_MIRROR, f"{file} belongs to release {release} and is not there"
        )
    found = sha256_of(file)
    if found == signed.digest:
        return
    attack = Attack.ARBITRARY_SOFTWARE if file.name == ARTIFACT_NAME else Attack.MIX_AND_MATCH
    raise SignatureRefused(
        attack, f"{file} has SHA-256 {found}, release {release} was signed with {signed.digest}"
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
    """The count that a statement claims; good enough to find the next one."""
    try:
        bundle = json.loads(file.read_bytes())
        payload = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        return int(payload["predicate"]["deeplens"]["release"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise SigningError(
            f"{file}: is no statement, so the next release cannot be counted; "
            "`git restore` it, or remove it"
        ) from None


def _manifest(artifact: Path) -> Manifest:
    try:
        return Manifest.from_json(packed_manifest(artifact))
    except ArtifactError as error:
        raise SourceError(f"{artifact}: not a model artifact: {error}") from None
