"""`[signing]`: the keys that may sign releases, and the AWS Signer profile for functions."""

import base64
import binascii
import re
from typing import Annotated

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from deeplens.config.base import ConfigSection

# The first bytes of the SubjectPublicKeyInfo of an uncompressed point on P-256; the 64 bytes of its
# coordinates follow.
_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
_P256_BYTES = len(_P256) + 64
_KEY_ID = re.compile(r"[0-9a-f]{64}", re.ASCII)

# A public key in base64. The length of `_P256` is a multiple of three bytes, so the base64 strings
# of all keys begin with the same characters.
_PublicKey = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": f"^{re.escape(base64.b64encode(_P256).decode())}[A-Za-z0-9+/]{{86}}==$",
        }
    ),
]
_KeyId = Annotated[str, WithJsonSchema({"type": "string", "pattern": f"^{_KEY_ID.pattern}$"})]


class SigningConfig(ConfigSection):
    """Keys that may sign releases, and an AWS Signer profile for functions; both are optional.

    Without keys, no release is verified. Without a profile, Lambda accepts unsigned code.
    """

    public_keys: Annotated[
        tuple[_PublicKey, ...],
        Field(
            strict=False,
            description="keys that may sign releases, as `deeplens release keys public KEY` prints "
            "them; several during a key rotation",
            json_schema_extra={"uniqueItems": True},
        ),
    ] = ()
    revoked_keys: Annotated[
        tuple[_KeyId, ...],
        Field(
            strict=False,
            description="ids of stolen keys; releases that they signed are rejected",
        ),
    ] = ()
    required: Annotated[
        bool,
        Field(
            description="reject releases without a statement; with `false`, only an invalid one is "
            "rejected, for the migration of a fleet"
        ),
    ] = True
    lambda_profile: Annotated[
        str | None,
        Field(
            pattern=r"^arn:aws[a-z-]*:signer:[a-z0-9-]+:[0-9]{12}:/signing-profiles/[A-Za-z0-9_]{2,64}/[A-Za-z0-9_]{10}$",
            description="version ARN of the AWS Signer profile without whose signature Lambda "
            "rejects the functions' code; `deeplens release sign-code` signs before a "
            "deploy",
        ),
    ] = None

    @field_validator("public_keys")
    @classmethod
    def _p256_keys(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for key in value:
            try:
                der = base64.b64decode(key, validate=True)
            except (binascii.Error, ValueError):
                der = b""
            if len(der) != _P256_BYTES or not der.startswith(_P256):
                raise ValueError(
                    f"{key[:40]!r} is not an ECDSA P-256 public key in base64 (124 characters); "
                    "`deeplens release keys public KEY` prints the line"
                )
        if len(set(value)) != len(value):
            raise ValueError("a key is listed twice")
        return value

    @field_validator("revoked_keys")
    @classmethod
    def _ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for key_id in value:
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError(
                    f"{key_id[:80]!r} is not the id of a key: expected 64 lower-case hex digits, "
                    "as `deeplens release keys public KEY` prints it"
                )
        return value

    @model_validator(mode="after")
    def _has_trusted_keys(self) -> "SigningConfig":
        if self.revoked_keys and not self.public_keys:
            raise ValueError(
                "revoked_keys without public_keys: no release would be verified; add the key that "
                "replaces the revoked one"
            )
        return self

    @property
    def is_on(self) -> bool:
        """True if signatures of releases are verified."""
        return bool(self.public_keys)
