"""What the publisher needs to verify a signed release: the library, and what to expect."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_cdk import aws_lambda
from constructs import Construct

from deeplens.config import ConfigError, ModelArtifact, SigningConfig
from stacks.constructs.archives import ROOT, shared, sources, zip_archive
from stacks.constructs.function_code import code
from stacks.constructs.lambda_python import ARCHITECTURE, RUNTIME
from stacks.constructs.staged_file import StagedFile

# AWS' own C library with AWS-LC, for Lambda's Python: `make setup` puts the locked wheel there.
_LIBRARY = ROOT / ".lambda-layer"
_LIBRARY_PARTS = ("awscrt", "_awscrt.abi3.so")


@dataclass(frozen=True)
class PublishedStatement:
    """Where the signed statement of a published artifact is, and its SHA-256."""

    uri: str
    digest: str


class VerificationLayer(Construct):
    """The camera's own reader of signatures, and AWS' cryptography, for functions in the cloud."""

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self.version = aws_lambda.LayerVersion(
            self,
            "Layer",
            description="Signed releases: the camera's own reader, and AWS' cryptography",
            code=code(_archive()),
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
def _archive() -> StagedFile:
    """Pack the library and the reader of signatures, as Lambda mounts layers for Python."""
    library = sources(_LIBRARY, *_LIBRARY_PARTS) if _LIBRARY.is_dir() else {}
    if not library:
        raise ConfigError(
            f"{_LIBRARY}: is not there; `make setup` puts the library there with which the deploy "
            "verifies signatures"
        )
    packed = {
        name: content for name, content in library.items() if name.endswith((".py", ".so"))
    } | reader_members()
    return zip_archive("layer.zip", {f"python/{name}": data for name, data in packed.items()})


def reader_members() -> dict[str, bytes]:
    """Return the files of the camera's own reader of signatures."""
    return shared("artifact/errors.py", "artifact/strict_json.py", "signatures")
