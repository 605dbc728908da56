"""HTTP connections with one deadline for all that is received, in addition to that of each call.

A socket's timeout starts again with each byte. A server that sends one byte a second, or
`100 Continue` without end, would never reach it.
"""

import http.client
import socket
import ssl
import time
import urllib.request
from collections.abc import Callable
from typing import Any


class Deadline:
    """A point in time until which sockets may receive."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._ends_at = 0.0

    def start(self, seconds: float) -> None:
        """Set the deadline to `seconds` from now."""
        self._seconds, self._ends_at = seconds, self._clock() + seconds

    def left_seconds(self) -> float:
        """Return the seconds that are left; raise `TimeoutError` if there are none."""
        left = self._ends_at - self._clock()
        if left <= 0:
            raise self.error()
        return left

    def error(self) -> TimeoutError:
        """Return the error of an answer that is not complete in time."""
        return TimeoutError(f"timed out: no complete answer within {self._seconds:g} s")


def handlers(deadline: Deadline) -> tuple[urllib.request.BaseHandler, ...]:
    """Return urllib's handlers for HTTP and HTTPS, with `deadline` for each connection."""

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
