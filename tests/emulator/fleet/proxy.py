"""A proxy for the emulator that throttles requests, loses responses or records requests."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.emulator.running_emulator import Emulator

_HOP_BY_HOP = {"content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> bytes:
        """The complete request: method, path, headers and body."""
        return f"{self.method} {self.path}\n{self.headers}\n".encode() + self.body


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


Meddle = Callable[[Request, Callable[[], Answer]], Answer | None]


def refusal(status: int, code: str, message: str) -> Answer:
    """Return an error response in the form of AWS' REST services."""
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return Answer(status, headers, json.dumps({"message": message}).encode())


def signed_for(upstream: str, request: Request, secret: str) -> dict[str, str]:
    """Return the headers of a request, signed again for the host and port of `upstream`."""
    given = {name.lower(): value for name, value in request.headers.items()}
    scope = re.search(r"Credential=(\d+)/\d+/([^/]+)/([^/]+)/", given.pop("authorization"))
    assert scope
    account, region, service = scope.groups()
    made = AWSRequest(
        request.method, upstream + request.path, {**given, "host": upstream.rpartition("/")[2]},
        request.body,
    )  # fmt: skip
    SigV4Auth(Credentials(account, secret), service, region).add_auth(made)
    return dict(made.headers.items())


@contextmanager
def proxy(aws: Emulator, meddle: Meddle) -> Iterator[str]:
    """Run a proxy and yield the URL; `meddle` returns the response, or None for no response."""
    upstream: str = aws.endpoint["endpoint_url"]
    host, _, port = upstream.rpartition("/")[2].partition(":")

    def pass_on(request: Request) -> Answer:
        connection = HTTPConnection(host, int(port), timeout=300)
        headers = signed_for(upstream, request, aws.secret())
        connection.request(request.method, request.path, request.body, headers)
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

        # http.server calls methods with these names.
        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Suppress the log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
