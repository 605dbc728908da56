"""Network cameras that send a sequence of JPEG images over HTTP: `multipart/x-mixed-replace`.

Each response and each frame has a deadline. The timeout of a socket is not sufficient, because it
restarts with each byte. A server that sends one byte per second, or `100 Continue` repeatedly,
would never reach it.
"""

import contextlib
import http.client
import io
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit

from camera.cameras.opencv import without_password
from camera.errors import CameraError
from camera.frames import Frame
from shared.artifact.errors import ImageError
from shared.vision.images import ImageLimit, read_rgb

_TIMEOUT_SECONDS = 8.0
_LARGEST_IMAGE_BYTES = 16 << 20
_LARGEST_LINE_BYTES = 4096
_MAX_HEADERS = 32
_END_OF_JPEG = b"\xff\xd9"


class Deadline:
    """A point in time until which sockets may receive data."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._ends_at = 0.0

    def start(self, seconds: float) -> None:
        """Set the deadline to `seconds` from now."""
        self._seconds, self._ends_at = seconds, self._clock() + seconds

    def left_seconds(self) -> float:
        """Return the remaining seconds; raise `TimeoutError` after the deadline."""
        left = self._ends_at - self._clock()
        if left <= 0:
            raise self.error()
        return left

    def error(self) -> TimeoutError:
        """Return the error for an incomplete response."""
        return TimeoutError(f"timed out: no complete response within {self._seconds:g} s")


def _handlers(deadline: Deadline) -> tuple[urllib.request.BaseHandler, ...]:
    """Return urllib handlers for HTTP and HTTPS whose connections have the deadline."""

    class TimedSocket(socket.socket):
        def recv_into(self, *arguments: Any, **options: Any) -> int:
            self.settimeout(deadline.left_seconds())
            try:
                return super().recv_into(*arguments, **options)
            except TimeoutError:
                raise deadline.error() from None

    class TimedTlsSocket(ssl.SSLSocket):
        def recv_into(self, *arguments: Any, **options: Any) -> int:
            self.settimeout(deadline.left_seconds())
            try:
                return super().recv_into(*arguments, **options)
            except TimeoutError:
                raise deadline.error() from None

    class HttpConnection(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock = TimedSocket(fileno=self.sock.detach())
            self.sock.settimeout(deadline.left_seconds())

    class HttpHandler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(HttpConnection, req)

    context = ssl.create_default_context()
    context.sslsocket_class = TimedTlsSocket
    return HttpHandler(), urllib.request.HTTPSHandler(context=context)


class MjpegCamera:
    """A camera that reads frames from one HTTP response, which `capture` requests."""

    is_live = True
    is_stream = True

    def __init__(self, address: str, limit: ImageLimit | None = None) -> None:
        """Accept an address with user and password, for basic or digest authentication."""
        self._address = address
        self._limit = limit or ImageLimit()
        self._deadline = Deadline()
        self._label = without_password(address)
        self._response: HTTPResponse | None = None

    def capture(self) -> Frame:
        """Return the next frame.

        The connection and each frame have a deadline, even if bytes continue to arrive.

        Raises:
            CameraError: no connection, no frame in time, or a damaged frame. After a damaged frame,
                the next call continues with the same response; otherwise it connects again.
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
            raise CameraError(f"{self._label} returned no frame: {error}") from error
        if _END_OF_JPEG not in content[-16:]:
            raise CameraError(f"{self._label} sent a truncated image of {len(content)} bytes")
        try:
            image = read_rgb(content, self._limit)
        except ImageError as error:
            raise CameraError(f"{self._label} sent a damaged image: {error}") from error
        return Frame(image, datetime.now(UTC), self._label)

    def close(self) -> None:
        """Close the connection."""
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
        # The opener has no proxy handlers, because cameras are on the local network. It has no
        # handlers for files and FTP, because a camera could redirect to them.
        opener = urllib.request.OpenerDirector()
        for handler in (
            *_handlers(self._deadline),
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
            raise ValueError(f"the content type is {kind}, expected multipart/x-mixed-replace")
        opened: HTTPResponse = response
        return opened


class _Basic(urllib.request.HTTPBasicAuthHandler):
    """A handler that closes the response with status 401, which urllib leaves open."""

    def http_error_401(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        with contextlib.closing(fp):
            return super().http_error_401(req, fp, code, msg, headers)


class _Digest(urllib.request.HTTPDigestAuthHandler):
    """A handler that closes the response with status 401, as `_Basic` does."""

    def http_error_401(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        with contextlib.closing(fp):
            return super().http_error_401(req, fp, code, msg, headers)


class _Redirect(urllib.request.HTTPRedirectHandler):
    """A redirect handler that ignores the body, which may be endless; urllib reads all of it."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        fp.close()
        return super().http_error_302(req, io.BytesIO(), code, msg, headers)

    # urllib also uses the same function for each code.
    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _next_part(response: HTTPResponse) -> bytes:
    """Return the content of the next part; raise ValueError if the part is not valid."""
    length: int | None = None
    for _ in range(_MAX_HEADERS):
        line = response.readline(_LARGEST_LINE_BYTES)
        if not line:
            raise ValueError("the stream ended")
        name, _, value = line.decode("latin-1").partition(":")
        if name.strip().lower() == "content-length":
            length = int(value)
        elif not line.strip() and length is not None:
            break
    if length is None or not 0 < length <= _LARGEST_IMAGE_BYTES:
        raise ValueError(f"the part has {length} bytes, expected 1 to {_LARGEST_IMAGE_BYTES}")
    content = response.read(length)
    if len(content) < length:
        raise ValueError("the stream ended within an image")
    return content
