"""Scripted network cameras, and a video file."""

import base64
import contextlib
import io
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from testkit.waiting import HANG_SECONDS

WIDTH_PX, HEIGHT_PX = 64, 48


def picture(brightness: int) -> bytes:
    """Return a red JPEG image; `brightness` is the value of the red channel, from 0 to 255."""
    image = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
    image[..., 0] = brightness
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=95)
    return content.getvalue()


@dataclass
class Mjpeg:
    """A camera's response: parts, and then the end of the stream or a stalled connection."""

    parts: list[bytes] = field(default_factory=list)
    password: str = ""
    content_type: str = "multipart/x-mixed-replace; boundary=frame"
    with_length: bool = True
    connections: int = 0
    hangs: bool = False
    gate: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving_mjpeg(camera: Mjpeg) -> Iterator[str]:
    """Serve the camera; yield its address without a password."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            expected = "Basic " + base64.b64encode(f"eye:{camera.password}".encode()).decode()
            if camera.password and self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="camera"')
                self.end_headers()
                return
            camera.connections += 1
            self.send_response(200)
            self.send_header("Content-Type", camera.content_type)
            self.end_headers()
            for part in camera.parts:
                length = f"Content-Length: {len(part)}\r\n" if camera.with_length else ""
                head = f"--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n"
                self.wfile.write(head.encode() + part + b"\r\n")
            if camera.hangs:
                camera.gate.wait(HANG_SECONDS)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/video.mjpg"
    finally:
        camera.gate.set()
        server.shutdown()
        thread.join(HANG_SECONDS)
        server.server_close()


def write_video(file: Path, brightnesses: list[int]) -> None:
    """Write a video of red frames with these brightnesses."""
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*"MJPG"), 10, (WIDTH_PX, HEIGHT_PX))
    for brightness in brightnesses:
        image = np.zeros((HEIGHT_PX, WIDTH_PX, 3), np.uint8)
        image[..., 2] = brightness
        writer.write(image)
    writer.release()


@contextmanager
def serving_bytes(begin: bytes, drip: bytes, pause_seconds: float) -> Iterator[str]:
    """Respond to one request with `begin`, and repeat `drip` until the client disconnects.

    Yields the URL.
    """
    ended = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(begin)
                while not ended.wait(pause_seconds):
                    connection.sendall(drip)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/video.mjpg"
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(HANG_SECONDS)
