"""Signers: a private key in a file, or a key in AWS KMS."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from model_tools.errors import SigningError, WrongKeyError
from shared.signatures import key_id

_LARGEST_KEY_FILE_BYTES = 64 << 10
_KMS = re.compile(r"alias/.+|arn:aws[a-z-]*:kms:.+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Signer(Protocol):
    """An ECDSA P-256 key pair that signs digests."""

    @property
    def public_key(self) -> bytes:
        """The public key as DER (SubjectPublicKeyInfo)."""
        ...

    def sign(self, digest: bytes) -> bytes:
        """Return the ECDSA signature (DER) of a SHA-256."""
        ...


def signer_of(key: str) -> Signer:
    """Return the signer of `key`: a PEM file, or an alias, id or ARN of AWS KMS.

    Raises:
        SigningError: the key cannot be read, or is not a private or KMS key that signs on P-256.
    """
    if _KMS.fullmatch(key):
        return KmsSigner.of(key)
    return FileSigner.read(Path(key))


@dataclass(frozen=True)
class FileSigner:
    """A signer with a private key in a PEM file that only its owner can read."""

    private: Any
    public_key: bytes

    @classmethod
    def read(cls, file: Path) -> "FileSigner":
        """Return the signer of a key file.

        Raises:
            WrongKeyError: the file cannot be read, contains no ECDSA P-256 key, or can be read by
                other users.
        """
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - a late import keeps --help fast
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - a late import keeps --help fast

        try:
            readable = file.stat().st_mode & 0o077
            with file.open("rb") as opened:
                content = opened.read(_LARGEST_KEY_FILE_BYTES)
        except OSError as error:
            raise WrongKeyError(
                f"{file}: the key cannot be read: {error.strerror}; "
                f"`deeplens release keys new {file}` creates one; a key "
                "of AWS KMS is given as alias/NAME or ARN"
            ) from None
        if readable:
            raise WrongKeyError(f"{file}: other users can read this key; `chmod 600 {file}`")
        try:
            private = serialization.load_pem_private_key(content, password=None)
        except (ValueError, TypeError) as error:
            raise WrongKeyError(f"{file}: not a private key without a password: {error}") from None
        if not (
            isinstance(private, ec.EllipticCurvePrivateKey)
            and isinstance(private.curve, ec.SECP256R1)
        ):
            raise WrongKeyError(
                f"{file}: expected an ECDSA key on P-256, as `deeplens release keys new`"
            )
        public = private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return cls(private, public)

    def sign(self, digest: bytes) -> bytes:
        """Return the ECDSA signature (DER) of a SHA-256 by the key in memory."""
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - a late import keeps --help fast
        from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415 - a late import keeps --help fast

        signature: bytes = self.private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        return signature


@dataclass(frozen=True)
class KmsSigner:
    """A signer with an asymmetric key of AWS KMS: key spec ECC_NIST_P256, usage SIGN_VERIFY."""

    client: Any
    key: str
    public_key: bytes

    @classmethod
    def of(cls, key: str, client: Any = None) -> "KmsSigner":
        """Return the signer of a key in AWS KMS; raise `SigningError` if the key cannot be used."""
        import boto3  # noqa: PLC0415 - a late import keeps --help fast
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - a late import keeps --help fast

        try:
            client = client or boto3.client("kms")
            answer = client.get_public_key(KeyId=key)
        except (BotoCoreError, ClientError) as error:
            raise SigningError(f"{key}: AWS KMS returned no public key: {error}") from None
        spec, usage = answer["KeySpec"], answer["KeyUsage"]
        if (spec, usage) != ("ECC_NIST_P256", "SIGN_VERIFY"):
            raise SigningError(
                f"{key}: is {spec} for {usage}; a key with spec ECC_NIST_P256 and usage "
                "SIGN_VERIFY works"
            )
        return cls(client, answer["KeyId"], answer["PublicKey"])

    def sign(self, digest: bytes) -> bytes:
        """Return the ECDSA signature (DER) of a SHA-256 by AWS KMS; CloudTrail records the caller.

        Raises:
            SigningError: AWS KMS rejects the call.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - a late import keeps --help fast

        try:
            answer = self.client.sign(
                KeyId=self.key,
                Message=digest,
                MessageType="DIGEST",
                SigningAlgorithm="ECDSA_SHA_256",
            )
        except (BotoCoreError, ClientError) as error:
            raise SigningError(f"{self.key}: AWS KMS did not sign: {error}") from None
        signature: bytes = answer["Signature"]
        return signature


def new_key_file(file: Path) -> str:
    """Create a private key that only its owner can read; return the id of its public key.

    Raises:
        SigningError: the file exists.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - a late import keeps --help fast
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - a late import keeps --help fast

    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise SigningError(
            f"{file}: exists; a key is never overwritten: give another name"
        ) from None
    with os.fdopen(opened, "wb") as written:
        written.write(pem)
    return key_id(
        private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
