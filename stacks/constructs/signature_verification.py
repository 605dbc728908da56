"""Verification of signed releases by the publisher: the library, and the expected values."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from aws_cdk import aws_lambda
from constructs import Construct

from deeplens.config import ConfigError, ModelArtifact, SigningConfig
from stacks.constructs.archives import ROOT, shared, sources, zip_archive
from stacks.constructs.file_assets import StagedFile
from stacks.constructs.function_code import code
from stacks.constructs.lambda_defaults import ARCHITECTURE, RUNTIME

# The folder into which `make setup` installs the locked wheel of AWS' C library with AWS-LC, for
# Lambda's Python.
_LIBRARY = ROOT / ".lambda-layer"
_LIBRARY_PARTS = ("awscrt", "_awscrt.abi3.so")


@dataclass(frozen=True)
class PublishedStatement:
    """The URI and the SHA-256 of a published artifact's signed statement."""

    uri: str
    digest: str


class VerificationLayer(Construct):
    """A layer with the camera's reader of signatures and AWS' cryptography library."""

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
    """Return the key of the artifact's statement below `components/`, and the statement's SHA-256.

    The result is None without a statement. If an artifact is signed again, its statement has other
    bytes and therefore another key.
    """
    if artifact.statement is None:
        return None
    digest = hashlib.sha256(artifact.statement.encode()).hexdigest()
    return f"{artifact.name}/{digest}/{artifact.path.name}.sig", digest


def verification_properties(artifact: ModelArtifact, signing: SigningConfig) -> dict[str, Any]:
    """Return the properties with which the publisher verifies the release; empty without keys."""
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
    """Return the variables with which the camera verifies the release; empty without keys."""
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
    """Pack the library and the reader of signatures in the layout of a Python layer.

    Raises:
        ConfigError: the library is not installed.
    """
    library = sources(_LIBRARY, *_LIBRARY_PARTS) if _LIBRARY.is_dir() else {}
    if not library:
        raise ConfigError(
            f"{_LIBRARY}: the library that verifies signatures is not installed: expected its "
            "files here; run `make setup`"
        )
    packed = {
        name: content for name, content in library.items() if name.endswith((".py", ".so"))
    } | reader_members()
    return zip_archive("layer.zip", {f"python/{name}": data for name, data in packed.items()})


def reader_members() -> dict[str, bytes]:
    """Return the files of the camera's reader of signatures."""
    return shared("artifact/errors.py", "artifact/strict_json.py", "signatures")
