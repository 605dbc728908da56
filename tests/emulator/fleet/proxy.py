"""A proxy before the embedded AWS that may throttle, lose answers, or keep what was said."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_HOP_BY_HOP = {"content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> bytes:
        """All that was said."""
        return f"{self.method} {self.path}\n{self.headers}\n".encode() + self.body


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


Meddle = Callable[[Request, Callable[[], Answer]], Answer | None]


def refusal(status: int, code: str, message: str) -> Answer:
    """Write an error as AWS' REST services write it."""
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return Answer(status, headers, json.dumps({"message": message}).encode())


@contextmanager
def proxy(upstream: str, meddle: Meddle) -> Iterator[str]:
    """Give the URL of a proxy; `meddle` answers, or gives None to lose the answer."""
    host, _, port = upstream.rpartition("/")[2].partition(":")

    def pass_on(request: Request) -> Answer:
        connection = HTTPConnection(host, int(port), timeout=300)
        connection.request(request.method, request.path, request.body, request.headers)
        answer = connection.getresponse()
        headers = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP}
        body = answer.read()
        connection.close()
        return Answer(answer.status, headers, body)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers), body)
            answer = meddle(request, lambda: pass_on(request))
            if answer is None:
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        # http.server looks for these names.
        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
