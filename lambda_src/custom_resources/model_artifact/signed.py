"""A release whose statement is verified before a byte of it is copied.

The reader of signatures is the camera's own. It is in a layer, which functions have only where an
environment trusts keys: it is imported when there is something to verify.
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

from cloudformation import Request, ResourceFailed, rolls_back

if TYPE_CHECKING:
    from shared.signatures import Accepted, Statement, TrustedKeys

_CHUNK_BYTES = 64 << 10
_ABSENT = 404


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Does not read the content of a redirect, which may have no end; urllib reads it whole."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        fp.close()
        return super().http_error_302(req, io.BytesIO(), code, msg, headers)

    # As in urllib, where each of them is the same function.
    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


_OPENER = urllib.request.build_opener(_Redirect)


@dataclass(frozen=True)
class SignedRelease:
    """What a trusted key said, and the bytes in which it said so."""

    statement: "Statement"
    content: bytes

    def check(self, s3: Any, bucket: str, key: str) -> str:
        """Read an object as far as was signed; return its ETag when it is the signed artifact.

        Raises:
            SignatureRefused: it is absent, endless, too slow, or has other bytes.
        """
        from shared.signatures import Attack, SignatureRefused  # noqa: PLC0415 - see the module

        found = self.digest_of(s3, bucket, key)
        if found is None:
            raise SignatureRefused(
                Attack.MALICIOUS_MIRROR,
                f"s3://{bucket}/{key}: release {self.statement.release} is signed, and the store "
                "does not have it; deploy with the CDK CLI, which uploads it",
            )
        digest, etag = found
        if digest != self.statement.artifact.digest:
            raise SignatureRefused(
                Attack.ARBITRARY_SOFTWARE,
                f"s3://{bucket}/{key} has SHA-256 {digest}, release {self.statement.release} was "
                f"signed with {self.statement.artifact.digest}",
            )
        return etag

    def digest_of(self, s3: Any, bucket: str, key: str) -> tuple[str, str] | None:
        """SHA-256 (hex) and ETag of an object, read within the signed limits; None if absent."""
        from shared.signatures import (  # noqa: PLC0415 - see the module
            Attack,
            Limits,
            SignatureRefused,
            read_digest,
        )

        uri, limits = f"s3://{bucket}/{key}", Limits.of(self.statement.artifact)
        address = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key})
        try:
            # boto3's own reader waits until a chunk is full, however slowly it fills.
            with _OPENER.open(address, timeout=limits.begin_seconds) as found:
                chunks = iter(lambda: found.read1(_CHUNK_BYTES), b"")
                return read_digest(chunks, limits, uri), found.headers["ETag"]
        except urllib.error.HTTPError as error:
            # The error is the answer, and holds its connection open.
            error.close()
            if error.code == _ABSENT:
                return None
            raise SignatureRefused(
                Attack.MALICIOUS_MIRROR, f"{uri}: the store does not give it: {error}"
            ) from None
        except TimeoutError:
            raise SignatureRefused(
                Attack.SLOW_RETRIEVAL, f"{uri}: nothing came for {limits.begin_seconds:g} s"
            ) from None
        except (OSError, HTTPException) as error:
            raise SignatureRefused(
                Attack.MALICIOUS_MIRROR, f"{uri}: the store does not give it: {error!r}"
            ) from None

    @staticmethod
    @contextlib.contextmanager
    def refusals() -> Iterator[None]:
        """Make every refusal CloudFormation's reason."""
        from shared.artifact.errors import ArtifactError  # noqa: PLC0415 - see the module

        try:
            yield
        except ArtifactError as error:
            raise ResourceFailed(f"{error}; nothing was deployed") from None


def accept(request: Request) -> SignedRelease | None:
    """Verify the statement of a request; None where nobody must have signed, and nobody did.

    Raises:
        ResourceFailed: the release may not be deployed; the text names the attack.
    """
    properties = request.properties
    if "TrustedKeys" not in properties:
        return None
    content = base64.b64decode(properties["Statement"])
    if not content and properties["SignatureRequired"] != "true":
        return None
    from shared.signatures import (  # noqa: PLC0415 - see the module
        Expected,
        TrustedKeys,
        check_expected,
        check_newer,
        open_bundle,
    )

    with SignedRelease.refusals():
        trusted = TrustedKeys.from_text(properties["TrustedKeys"], properties["RevokedKeys"])
        statement = open_bundle(content, trusted)
        check_expected(statement, Expected(properties["Model"], properties["Sha256"]))
        before = _before(request, trusted)
        goes_back = before is not None and before.release > statement.release
        if not (goes_back and rolls_back(request)):
            check_newer(statement, before, trusted, datetime.now(UTC))
    return SignedRelease(statement, content)


def _before(request: Request, trusted: "TrustedKeys") -> "Accepted | None":
    """What the stack had before this update, if it can still be verified."""
    from shared.artifact.errors import ArtifactError  # noqa: PLC0415 - see the module
    from shared.signatures import Accepted, open_bundle  # noqa: PLC0415 - as above

    old = request.old_properties
    if old.get("Model") != request.properties["Model"] or not old.get("Statement"):
        return None
    try:
        return Accepted.of(open_bundle(base64.b64decode(old["Statement"]), trusted))
    except ArtifactError:
        # By a key that is not trusted any more: what it counted holds no longer.
        return None
