"""What the publisher needs to verify a signed release: the library, and what to expect."""

import base64
import hashlib
import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from aws_cdk import aws_lambda
from constructs import Construct

from stacks.config import ConfigError, ModelArtifact, SigningConfig
from stacks.constructs.lambda_defaults import ARCHITECTURE, RUNTIME
from stacks.constructs.temporary_files import temporary_file

_ROOT = Path(__file__).resolve().parents[2]
# AWS' own C library with AWS-LC, for Lambda's Python: `make setup` puts the locked wheel there.
_LIBRARY = _ROOT / ".lambda-layer"
_LIBRARY_PARTS = ("awscrt", "_awscrt.abi3.so")
_SHARED = _ROOT / "lambda_src" / "inference"
_SHARED_PARTS = (
    "vision/__init__.py",
    "vision/errors.py",
    "vision/strict_json.py",
    "vision/signatures/*.py",
)
_FIRST_TIME_OF_A_ZIP = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o755


@dataclass(frozen=True)
class PublishedStatement:
    """Where the signed statement of a published artifact is, and its SHA-256."""

    uri: str
    digest: str


class VerificationLayer(Construct):
    """The camera's own reader of signatures, and AWS' cryptography, for functions in the cloud."""

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        archive, digest = _archive()
        self.version = aws_lambda.LayerVersion(
            self,
            "Layer",
            description="Signed releases: the camera's own reader, and AWS' cryptography",
            code=aws_lambda.Code.from_asset(str(archive), asset_hash=digest),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
        )


def statement_key(artifact: ModelArtifact) -> tuple[str, str] | None:
    """The key below `components/` of the artifact's statement, and its SHA-256; None without one.

    An artifact that is signed again has a statement of other bytes, so of another key: both are
    written once.
    """
    if artifact.statement is None:
        return None
    digest = hashlib.sha256(artifact.statement.encode()).hexdigest()
    return f"{artifact.name}/{digest}/{artifact.path.name}.sig", digest


def expected_of(artifact: ModelArtifact, signing: SigningConfig) -> dict[str, Any]:
    """Properties by which the publisher verifies the release; none without trusted keys."""
    if not signing.is_on:
        return {}
    return {
        "Model": artifact.name,
        "TrustedKeys": ",".join(signing.public_keys),
        "RevokedKeys": ",".join(signing.revoked_keys),
        "SignatureRequired": str(signing.required).lower(),
        "Statement": base64.b64encode((artifact.statement or "").encode()).decode(),
    }


def camera_variables(artifact: ModelArtifact, signing: SigningConfig) -> dict[str, str]:
    """Variables by which the camera verifies the release; none without trusted keys."""
    if not signing.is_on:
        return {}
    variables = {
        "DEEPLENS_MODEL_NAME": artifact.name,
        "DEEPLENS_TRUSTED_KEYS": ",".join(signing.public_keys),
        "DEEPLENS_REVOKED_KEYS": ",".join(signing.revoked_keys),
        "DEEPLENS_SIGNATURE_REQUIRED": str(signing.required).lower(),
    }
    return {name: value for name, value in variables.items() if value}


@cache
def _archive() -> tuple[Path, str]:
    """Zip the layer, uncompressed: the same bytes on any machine, and a moment's work."""
    library = [
        (file, file.relative_to(_LIBRARY))
        for part in _LIBRARY_PARTS
        for file in sorted([_LIBRARY / part, *(_LIBRARY / part).rglob("*.py")])
        if file.is_file()
    ]
    if not library:
        raise ConfigError(
            f"{_LIBRARY}: is not there; `make setup` puts the library there with which the deploy "
            "verifies signatures"
        )
    shared = [
        (file, file.relative_to(_SHARED))
        for part in _SHARED_PARTS
        for file in sorted(_SHARED.glob(part))
    ]
    path, content = temporary_file("layer.zip"), hashlib.sha256()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for file, name in [*library, *shared]:
            info = zipfile.ZipInfo(f"python/{name.as_posix()}", _FIRST_TIME_OF_A_ZIP)
            info.external_attr = _READABLE << 16
            body = file.read_bytes()
            content.update(json.dumps([info.filename, len(body)]).encode() + body)
            archive.writestr(info, body)
    return path, content.hexdigest()
