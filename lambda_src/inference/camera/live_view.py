"""The live view: a page with frames and detections, served on the loopback interface.

Frames are encoded only if a page requests them. The address contains a token, so that neither other
users of the machine nor pages of other sites in the same browser can open the page.
"""

import base64
import hmac
import html
import io
import json
import logging
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from camera.engine_comparison import EngineComparison
from camera.frames import Frame
from camera.inference import RunnableModel
from shared.vision.detections import Detection

if TYPE_CHECKING:
    from camera.dynamic_settings import CurrentSettings

logger = logging.getLogger(__name__)

ADDRESS_FILE = "live-view.url"

_PAGE = Path(__file__).with_name("live_view.html")
_NUMBER = re.compile("[0-9]{1,15}")
_LOOPBACK_HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::[0-9]{1,5})?")
_WIDEST_PX = 960
_JPEG_QUALITY = 80
_WAIT_SECONDS = 1.0
_POLL_SECONDS = 0.2
_RATE_WINDOW_SECONDS = 3.0
_MAX_FRAMES_IN_WINDOW = 300
_MAX_REQUESTS = 8
_REQUEST_SECONDS = 5.0
_MAX_DETECTIONS = 100
_LONGEST_REASON = 300
_TEXT = "text/plain; charset=utf-8"
_EXPIRED = (
    b"This address has expired. The current address is in the file live-view.url in the "
    b"camera's state directory, and `deeplens local camera` prints it.\n"
)


@dataclass(frozen=True)
class ViewedFrame:
    """A frame with its detections; `at_seconds` is a monotonic time."""

    number: int
    frame: Frame
    detections: Sequence[Detection]
    inference_ms: float
    latency_ms: float
    frames_per_second: float
    at_seconds: float


class LiveView:
    """A web server for the newest frame and the running model.

    `address` is the URL of the page. The page also shows the frame rate's limit from `settings`.
    """

    def __init__(self, *, port: int, thing: str, threshold: float, state_directory: Path) -> None:
        """Listen on the loopback interface; port 0 selects a free port.

        Raises:
            OSError: the port is in use.
        """
        self.comparison = EngineComparison()
        self.settings: CurrentSettings | None = None
        self._arrived = threading.Condition()
        self._newest: ViewedFrame | None = None
        self._times: deque[float] = deque(maxlen=_MAX_FRAMES_IN_WINDOW)
        self._number = 0
        self._model: RunnableModel | None = None
        self._label_indexes: dict[str, int] = {}
        self._token = secrets.token_urlsafe(18)
        self._server = _Server(port, self)
        self.address = f"http://127.0.0.1:{self._server.server_port}/{self._token}/"
        self._page = (
            _PAGE.read_text(encoding="utf-8")
            .replace("{{thing}}", html.escape(thing))
            .replace("{{threshold}}", str(threshold))
        )
        self._file = state_directory / ADDRESS_FILE

    def use(self, model: RunnableModel) -> None:
        """Show this model as the running model, and compare its engines."""
        self.comparison.use(model.directory)
        with self._arrived:
            self._model = model
            self._label_indexes = {}
            for label in model.labels:
                self._index_of(label)

    def observe(self, frame: Frame, detections: Sequence[Detection], inference_ms: float) -> None:
        """Store the newest frame."""
        now = time.monotonic()
        latency = datetime.now(UTC) - frame.captured_at
        with self._arrived:
            self._times.append(now)
            while self._times[0] < now - _RATE_WINDOW_SECONDS:
                self._times.popleft()
            span = now - self._times[0]
            rate = (len(self._times) - 1) / span if span else 0.0
            self._number += 1
            self._newest = ViewedFrame(
                self._number,
                frame,
                detections,
                inference_ms,
                latency.total_seconds() * 1000,
                rate,
                now,
            )
            self._arrived.notify_all()

    def wait_for_frame(self, number: int) -> ViewedFrame | None:
        """Wait for a frame newer than `number`; return None if no frame arrives in time."""

        def is_newer() -> bool:
            return self._newest is not None and self._number != number

        with self._arrived:
            return self._newest if self._arrived.wait_for(is_newer, _WAIT_SECONDS) else None

    def run(self) -> None:
        """Serve the page until `stop` is called."""
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file.touch(mode=0o600)
            self._file.write_text(f"{self.address}\n", encoding="utf-8")
            logger.info("the live view's address is in %s", self._file)
        except OSError as error:
            logger.warning("the live view's address cannot be written: %s", error)
        self._server.serve()

    def stop(self) -> None:
        """Make `run` return, and end the process that compares engines."""
        self._file.unlink(missing_ok=True)
        self._server.stop()
        self.comparison.stop()

    def answer(self, path: str, query: str) -> tuple[HTTPStatus, str, bytes, str]:
        """Return the response: status, content type, content, and the nonce of its script."""
        token, slash, name = path.removeprefix("/").partition("/")
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return HTTPStatus.NOT_FOUND, _TEXT, _EXPIRED, ""
        if not slash:
            # The page requests frames relative to its address, which must end with a slash.
            return HTTPStatus.PERMANENT_REDIRECT, _TEXT, f"{token}/".encode(), ""
        if name == "":
            nonce = secrets.token_urlsafe(12)
            page = self._page.replace("{{nonce}}", nonce)
            return HTTPStatus.OK, "text/html; charset=utf-8", page.encode(), nonce
        if name == "frame":
            given = parse_qs(query).get("after", ["0"])[0]
            viewed = self.wait_for_frame(int(given) if _NUMBER.fullmatch(given) else 0)
            if viewed is None:
                return HTTPStatus.NO_CONTENT, "text/plain", b"", ""
            is_compared = parse_qs(query).get("compare") == ["1"]
            compared = self.comparison.compare(viewed.frame.image) if is_compared else None
            document = {**_document(viewed), **self._status(viewed, compared)}
            return HTTPStatus.OK, "application/json", json.dumps(document).encode(), ""
        return HTTPStatus.NOT_FOUND, _TEXT, _EXPIRED, ""

    def _status(self, viewed: ViewedFrame, compared: dict[str, Any] | None) -> dict[str, Any]:
        """Return the model, the comparison, and the limit of the frame rate, for the page."""
        runs = (compared or {}).get("runs", {}).values()
        labels = {detection.label for detection in viewed.detections[:_MAX_DETECTIONS]}
        labels |= {detection["label"] for run in runs for detection in run["detections"]}
        with self._arrived:
            model = self._model
            indexes = {label: self._index_of(label) for label in sorted(labels)}
        limit = 1 / self.settings.current.frame_interval_seconds if self.settings else None
        return {
            "compared": compared,
            "label_indexes": indexes,
            "limit_frames_per_second": limit,
            "model": _model(model) if model else None,
        }

    def _index_of(self, label: str) -> int:
        """Return the index of the label's colour; new labels receive the next index."""
        return self._label_indexes.setdefault(label, len(self._label_indexes))


def _model(model: RunnableModel) -> dict[str, Any]:
    return {
        "name": model.identity.name,
        "version": model.identity.version,
        "digest": model.identity.digest,
        "engine": model.engine.name,
        "signed_by": model.signed_by,
        "instead": str(model.fallback_cause)[:_LONGEST_REASON] if model.fallback_cause else None,
    }


def _document(viewed: ViewedFrame) -> dict[str, Any]:
    """Return a frame as JSON; it includes the image as JPEG, so that image and boxes match."""
    image = Image.fromarray(viewed.frame.image)
    height_px, width_px = viewed.frame.image.shape[:2]
    image.thumbnail((_WIDEST_PX, _WIDEST_PX))
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=_JPEG_QUALITY)
    return {
        "number": viewed.number,
        "source": viewed.frame.source,
        "width_px": width_px,
        "height_px": height_px,
        "inference_ms": round(viewed.inference_ms, 2),
        "latency_ms": round(viewed.latency_ms, 2),
        "frames_per_second": round(viewed.frames_per_second, 2),
        "age_ms": round((time.monotonic() - viewed.at_seconds) * 1000, 2),
        "detections": [asdict(detection) for detection in viewed.detections[:_MAX_DETECTIONS]],
        "picture": base64.b64encode(jpeg.getvalue()).decode(),
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # The time for which `handle_request` waits, in seconds.
    timeout = _POLL_SECONDS

    def __init__(self, port: int, view: LiveView) -> None:
        self.view = view
        self.places = threading.BoundedSemaphore(_MAX_REQUESTS)
        self._changing = threading.Lock()
        self._is_serving = self._is_stopped = False
        super().__init__(("127.0.0.1", port), _Handler)

    def serve(self) -> None:
        """Respond to requests until `stop` is called.

        `serve_forever` is not used, because its `shutdown` blocks. `stop` would require a thread,
        and no thread can be started during interpreter shutdown.
        """
        with self._changing:
            if self._is_stopped:
                return
            self._is_serving = True
        try:
            while not self._is_stopped:
                self.handle_request()
                self.view.comparison.end_if_idle()
        finally:
            self.server_close()

    def stop(self) -> None:
        """Make `serve` return within a fraction of a second, without waiting for it."""
        with self._changing:
            self._is_stopped = True
            is_serving = self._is_serving
        if not is_serving:
            self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a failed request; a client that disconnects early is not an error."""
        logger.debug("a request to the live view ended: %s, %s", request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _REQUEST_SECONDS
    server_version, sys_version = "camera", ""

    def do_GET(self) -> None:
        # A request with another host name can come from a page of another site (DNS rebinding). The
        # port is not compared, because a forwarded port has another number.
        if not _LOOPBACK_HOST.fullmatch(self.headers.get("Host", "")):
            self._send(HTTPStatus.FORBIDDEN, _TEXT, b"use the host 127.0.0.1\n", "")
            return
        if not self.server.places.acquire(blocking=False):
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, b"too many pages are open\n", "")
            return
        try:
            address = urlsplit(self.path)
            self._send(*self.server.view.answer(address.path, address.query))
        finally:
            self.server.places.release()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as in the base class
        """Do not log requests, because their addresses contain the token."""

    def _send(self, status: HTTPStatus, kind: str, content: bytes, nonce: str) -> None:
        inline = f"'nonce-{nonce}'" if nonce else "'none'"
        policy = (
            f"default-src 'none'; img-src data:; connect-src 'self'; script-src {inline}; "
            f"style-src {inline}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(len(content))),
            ("Content-Security-Policy", policy),
            ("Cache-Control", "no-store"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            self.send_header(name, value)
        if status is HTTPStatus.PERMANENT_REDIRECT:
            self.send_header("Location", content.decode())
        self.end_headers()
        self.wfile.write(content)
