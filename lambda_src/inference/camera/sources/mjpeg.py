"""Network cameras that send JPEG after JPEG over HTTP: `multipart/x-mixed-replace`."""

import contextlib
import io
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit

from camera.errors import CameraError
from camera.frames import Frame
from camera.sources.deadlines import Deadline, handlers
from camera.sources.video import without_password
from shared.artifact.errors import ImageError
from shared.vision.images import ImageLimit, read_rgb

_TIMEOUT_SECONDS = 8.0
_LARGEST_PICTURE_BYTES = 16 << 20
_LARGEST_LINE_BYTES = 4096
_MOST_HEADERS = 32
_END_OF_JPEG = b"\xff\xd9"


class MjpegCamera:
    """Reads pictures from one response, which is asked for when a picture is wanted."""

    is_live = True
    is_stream = True

    def __init__(self, address: str, limit: ImageLimit | None = None) -> None:
        """`address` may hold a user and a password, for HTTP's basic authentication."""
        self._address = address
        self._limit = limit or ImageLimit()
        self._deadline = Deadline()
        self._shown = without_password(address)
        self._response: HTTPResponse | None = None

    def capture(self) -> Frame:
        """Return the next frame.

        The connection and each frame have a deadline, however slowly bytes arrive.

        Raises:
            CameraError: no connection, no frame in time, or a damaged frame. After a damaged frame
                the next call continues; otherwise it connects again.
        """
        try:
            if self._response is None:
                self._deadline.start(_TIMEOUT_SECONDS)
                self._response = self._connect()
            self._deadline.start(_TIMEOUT_SECONDS)
            content = _next_part(self._response)
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            if isinstance(error, HTTPError):
                error.close()
            raise CameraError(f"{self._shown} gave no picture: {error}") from error
        if _END_OF_JPEG not in content[-16:]:
            raise CameraError(f"{self._shown} sent a truncated picture of {len(content)} bytes")
        try:
            image = read_rgb(content, self._limit)
        except ImageError as error:
            raise CameraError(f"{self._shown} sent a broken picture: {error}") from error
        return Frame(image, datetime.now(UTC), self._shown)

    def close(self) -> None:
        """Hang up."""
        response, self._response = self._response, None
        if response is not None:
            response.close()

    def _connect(self) -> HTTPResponse:
        parts = urlsplit(self._address)
        passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
        host = parts.netloc.rpartition("@")[2]
        plain = urlunsplit(parts._replace(netloc=host))
        if parts.username:
            user, password = unquote(parts.username), unquote(parts.password or "")
            passwords.add_password(None, plain, user, password)
        # Without handlers for proxies, because a camera is on this network, and for files and FTP,
        # to which a camera could redirect.
        opener = urllib.request.OpenerDirector()
        for handler in (
            *handlers(self._deadline),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
            _Redirect(),
            urllib.request.UnknownHandler(),
            _Basic(passwords),
            _Digest(passwords),
        ):
            opener.add_handler(handler)
        response = opener.open(plain, timeout=_TIMEOUT_SECONDS)
        if response.headers.get_content_type() != "multipart/x-mixed-replace":
            kind = response.headers.get_content_type()
            response.close()
            raise ValueError(f"it answers with {kind}, expected multipart/x-mixed-replace")
        found: HTTPResponse = response
        return found


class _Basic(urllib.request.HTTPBasicAuthHandler):
    """Hangs up on the answer that asked for a password; urllib leaves that to the collector."""

    def http_error_401(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        with contextlib.closing(fp):
            return super().http_error_401(req, fp, code, msg, headers)


class _Digest(urllib.request.HTTPDigestAuthHandler):
    """As above."""

    def http_error_401(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        with contextlib.closing(fp):
            return super().http_error_401(req, fp, code, msg, headers)


class _Redirect(urllib.request.HTTPRedirectHandler):
    """Does not read the content of a redirect, which may have no end; urllib reads it whole."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        fp.close()
        return super().http_error_302(req, io.BytesIO(), code, msg, headers)

    # As in urllib, where each of them is the same function.
    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _next_part(response: HTTPResponse) -> bytes:
    """Return the content of the next part; raise ValueError when it is none."""
    length: int | None = None
    for _ in range(_MOST_HEADERS):
        line = response.readline(_LARGEST_LINE_BYTES)
        if not line:
            raise ValueError("the stream ended")
        name, _, value = line.decode("latin-1").partition(":")
        if name.strip().lower() == "content-length":
            length = int(value)
        elif not line.strip() and length is not None:
            break
    if length is None or not 0 < length <= _LARGEST_PICTURE_BYTES:
        raise ValueError(f"a part of {length} bytes, expected 1 to {_LARGEST_PICTURE_BYTES}")
    content = response.read(length)
    if len(content) < length:
        raise ValueError("the stream ended within a picture")
    return content
