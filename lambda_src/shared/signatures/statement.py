"""A signed statement: its content, and its conversion from and to JSON."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from shared.signatures.attacks import Attack, SignatureRefused

ARTIFACT_NAME = "model.zip"
IN_TOTO_STATEMENT = "https://in-toto.io/Statement/v1"
MODEL_SIGNATURE = "https://model_signing/signature/v1.0"
MOST_RELEASES = 2**53 - 1

# The files of a release; a statement with other files is rejected.
RELEASE_FILES = frozenset({ARTIFACT_NAME, "provenance.intoto.json", "sbom.cdx.json"})

_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}", re.ASCII)
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_LARGEST_FILE_BYTES = 2 << 30


@dataclass(frozen=True)
class SignedFile:
    """A file of a release: its SHA-256 in lower-case hex, and its size in bytes."""

    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Statement:
    """A signed description of a release.

    Attributes:
        model: the model's name.
        version: the model's version.
        release: the release number; it increases with each statement, even if an older artifact
            is signed again.
        expires: the end of the time in which the release is accepted; None if it has no end.
        files: the files of the release by name.
        key: id of the key that signed the statement; empty before signing.
    """

    model: str
    version: str
    release: int
    expires: datetime | None
    files: dict[str, SignedFile] = field(default_factory=dict)
    key: str = ""

    @property
    def artifact(self) -> SignedFile:
        """The signed digest and size of the artifact."""
        return self.files[ARTIFACT_NAME]

    def as_document(self) -> dict[str, Any]:
        """Return the in-toto statement in the format of OpenSSF Model Signing v1.0."""
        root = hashlib.sha256()
        resources = []
        for name, file in sorted(self.files.items()):
            root.update(bytes.fromhex(file.digest))
            resources.append({"name": name, "algorithm": "sha256", "digest": file.digest})
        signed: dict[str, Any] = {
            "model": self.model,
            "version": self.version,
            "release": self.release,
            "size_bytes": {name: file.size_bytes for name, file in sorted(self.files.items())},
        }
        if self.expires is not None:
            signed["expires"] = self.expires.astimezone(UTC).strftime(_TIME)
        return {
            "_type": IN_TOTO_STATEMENT,
            "subject": [{"name": self.model, "digest": {"sha256": root.hexdigest()}}],
            "predicateType": MODEL_SIGNATURE,
            "predicate": {
                "serialization": {
                    "method": "files",
                    "hash_type": "sha256",
                    "allow_symlinks": False,
                    "ignore_paths": [],
                },
                "resources": resources,
                "deeplens": signed,
            },
        }

    @classmethod
    def from_document(cls, document: Any, key: str) -> Self:
        """Parse the document that `key` signed.

        Raises:
            SignatureRefused: the document is not a statement of a release.
        """
        try:
            if (document["_type"], document["predicateType"]) != (
                IN_TOTO_STATEMENT,
                MODEL_SIGNATURE,
            ):
                raise _not_a_statement(
                    f"it is a statement of {str(document['predicateType'])[:80]!r}"
                )
            signed, listed = (
                document["predicate"]["deeplens"],
                document["predicate"]["resources"],
            )
            sizes = signed["size_bytes"]
            files = {
                entry["name"]: SignedFile(entry["digest"], sizes[entry["name"]]) for entry in listed
            }
            statement = cls(
                model=signed["model"],
                version=signed["version"],
                release=signed["release"],
                expires=_time(signed.get("expires")),
                files=files,
                key=key,
            )
            statement._check()
            if len(files) != len(listed) or document != statement.as_document():
                raise _not_a_statement("it contains other fields than a statement of a release")
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise _not_a_statement(f"it is not a statement of a release: {error!r}") from None
        return statement

    def _check(self) -> None:
        if not _NAME.fullmatch(self.model) or not isinstance(self.version, str):
            raise _not_a_statement(f"its model {str(self.model)[:80]!r} is not a valid name")
        if type(self.release) is not int or not 1 <= self.release <= MOST_RELEASES:
            raise _not_a_statement(f"its release {str(self.release)[:40]} is not a valid number")
        if unexpected := sorted(set(self.files) - RELEASE_FILES):
            raise SignatureRefused(
                Attack.EXTRANEOUS_DEPENDENCIES,
                f"release {self.release} of {self.model} lists {', '.join(unexpected)[:200]}; a "
                f"release has {', '.join(sorted(RELEASE_FILES))} and nothing else",
            )
        for name, file in self.files.items():
            size = file.size_bytes
            if not _DIGEST.fullmatch(file.digest) or type(size) is not int or size < 0:
                raise _not_a_statement(f"{name} does not have a SHA-256 and a size")
            if size > _LARGEST_FILE_BYTES:
                raise SignatureRefused(
                    Attack.ENDLESS_DATA,
                    f"{name} has {size} bytes; at most {_LARGEST_FILE_BYTES} can be deployed",
                )
        if ARTIFACT_NAME not in self.files:
            raise _not_a_statement(f"it does not list {ARTIFACT_NAME}")


def _time(text: Any) -> datetime | None:
    return None if text is None else datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def _not_a_statement(reason: str) -> SignatureRefused:
    return SignatureRefused(Attack.ARBITRARY_SOFTWARE, f"the signature is valid, but {reason}")
