"""Verification of a release's statement before its bytes are copied.

The camera and this function read signatures with the same code. The function has the layer with
this code only if the environment has trusted keys. The code is therefore imported only to verify a
statement.
"""

import base64
import contextlib
import io
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from cloudformation import ResourceFailed, ResourceRequest, is_rolling_back

if TYPE_CHECKING:
    from shared.signatures import Accepted, Statement, TrustedKeys

_CHUNK_BYTES = 64 << 10
_ABSENT = 404


class _Redirect(urllib.request.HTTPRedirectHandler):
    """A redirect handler that ignores a redirect's body, which urllib reads without a limit."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        fp.close()
        return super().http_error_302(req, io.BytesIO(), code, msg, headers)

    # As in urllib, one method handles all codes.
    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


_OPENER = urllib.request.build_opener(_Redirect)


@dataclass(frozen=True)
class SignedRelease:
    """A statement that a trusted key signed, and the bytes of its bundle."""

    statement: "Statement"
    content: bytes

    def check(self, s3: Any, bucket: str, key: str) -> str:
        """Read an object within the signed limits; return its ETag if it is the signed artifact.

        Raises:
            SignatureRefused: the object is absent, too large or not the signed artifact, or the
                store responds too slowly or with an error.
        """
        from shared.signatures import Attack, SignatureRefused  # noqa: PLC0415 - in an optional layer

        digest_and_etag = self.digest_of(s3, bucket, key)
        if digest_and_etag is None:
            raise SignatureRefused(
                Attack.MALICIOUS_MIRROR,
                f"s3://{bucket}/{key}: release {self.statement.release} is signed, but the store "
                "does not contain it; deploy with the CDK CLI, which uploads it",
            )
        digest, etag = digest_and_etag
        if digest != self.statement.artifact.digest:
            raise SignatureRefused(
                Attack.ARBITRARY_SOFTWARE,
                f"s3://{bucket}/{key} has SHA-256 {digest}, release {self.statement.release} was "
                f"signed with {self.statement.artifact.digest}",
            )
        return etag

    def digest_of(self, s3: Any, bucket: str, key: str) -> tuple[str, str] | None:
        """Read an object within the signed limits; return its SHA-256 (hex) and ETag.

        The result is None if the object does not exist.

        Raises:
            SignatureRefused: the object is too large, or the store responds too slowly or with an
                error.
        """
        from shared.signatures import (  # noqa: PLC0415 - in an optional layer
            Attack,
            Limits,
            SignatureRefused,
            read_digest,
        )

        uri, limits = f"s3://{bucket}/{key}", Limits.of(self.statement.artifact)
        address = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        try:
            # boto3's reader waits for a full chunk, without a time limit.
            with _OPENER.open(address, timeout=limits.begin_seconds) as response:
                chunks = iter(lambda: response.read1(_CHUNK_BYTES), b"")
                return read_digest(chunks, limits, uri), response.headers["ETag"]
        except urllib.error.HTTPError as error:
            # The error contains the response, whose connection must be closed.
            error.close()
            if error.code == _ABSENT:
                return None
            raise SignatureRefused(
                Attack.MALICIOUS_MIRROR, f"{uri}: the store does not return it: {error}"
            ) from None
        except TimeoutError:
            raise SignatureRefused(
                Attack.SLOW_RETRIEVAL, f"{uri}: no data for {limits.begin_seconds:g} s"
            ) from None
        except (OSError, HTTPException) as error:
            raise SignatureRefused(
                Attack.MALICIOUS_MIRROR, f"{uri}: the store does not return it: {error!r}"
            ) from None

    @staticmethod
    @contextlib.contextmanager
    def rejections() -> Iterator[None]:
        """Convert rejections to `ResourceFailed`, whose message CloudFormation displays."""
        from shared.artifact.errors import ArtifactError  # noqa: PLC0415 - in an optional layer

        try:
            yield
        except ArtifactError as error:
            raise ResourceFailed(f"{error}; nothing was deployed") from None


def verify(request: ResourceRequest) -> SignedRelease | None:
    """Verify the statement of a request, and return the signed release.

    The result is None if the environment has no trusted keys, or if a statement is neither present
    nor required.

    Raises:
        ResourceFailed: the release must not be deployed; the message names the prevented attack.
    """
    properties = request.properties
    if "TrustedKeys" not in properties:
        return None
    content = base64.b64decode(properties["Statement"])
    if not content and properties["SignatureRequired"] != "true":
        return None
    from shared.signatures import (  # noqa: PLC0415 - in an optional layer
        Expected,
        TrustedKeys,
        check_expected,
        check_newer,
        open_bundle,
    )

    with SignedRelease.rejections():
        trusted = TrustedKeys.from_text(properties["TrustedKeys"], properties["RevokedKeys"])
        statement = open_bundle(content, trusted)
        check_expected(statement, Expected(properties["Model"], properties["Sha256"]))
        before = _before(request, trusted)
        is_older = before is not None and before.release > statement.release
        if not (is_older and is_rolling_back(request)):
            check_newer(statement, before, trusted, datetime.now(UTC))
    return SignedRelease(statement, content)


def _before(request: ResourceRequest, trusted: "TrustedKeys") -> "Accepted | None":
    """Return the release that was accepted before this update.

    The result is None if the update's old properties contain no statement, if the old statement was
    for another model, or if it cannot be verified with the trusted keys.
    """
    from shared.artifact.errors import ArtifactError  # noqa: PLC0415 - in an optional layer
    from shared.signatures import Accepted, open_bundle  # noqa: PLC0415 - in an optional layer

    old = request.old_properties
    if old.get("Model") != request.properties["Model"] or not old.get("Statement"):
        return None
    try:
        return Accepted.of(open_bundle(base64.b64decode(old["Statement"]), trusted))
    except ArtifactError:
        # The old statement cannot be verified, for example because its key is no longer trusted.
        # Its release number therefore no longer applies.
        return None
