"""A double of an RTSP camera: JPEG in RTP (RFC 2435), interleaved in the TCP stream.

Each frame contains its number as twelve black or white blocks.
"""

import base64
import io
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from PIL import Image

from testkit.waiting import HANG_SECONDS

WIDTH_PX, HEIGHT_PX = 64, 48
_BLOCK_PX = 16
_BITS = 12
_PACKET_BYTES = 1200
_CLOCK_HZ = 90_000
_JPEG_PAYLOAD = 26
_SUBSAMPLED_420 = 1
_TABLES_IN_BAND = 255


def numbered(number: int) -> npt.NDArray[np.uint8]:
    """Return the frame that shows a number: RGB, uint8, shape (HEIGHT_PX, WIDTH_PX, 3)."""
    bits = [(number >> bit) & 1 for bit in range(_BITS)]
    blocks = np.array(bits, np.uint8).reshape(HEIGHT_PX // _BLOCK_PX, WIDTH_PX // _BLOCK_PX)
    gray = np.kron(blocks, np.full((_BLOCK_PX, _BLOCK_PX), 255, np.uint8))
    return np.repeat(gray[..., np.newaxis], 3, axis=2)


def number_of(picture: npt.NDArray[np.uint8]) -> int:
    """Return the number that is drawn in a frame."""
    centres = picture[_BLOCK_PX // 2 :: _BLOCK_PX, _BLOCK_PX // 2 :: _BLOCK_PX, 0] > 127
    return sum(1 << bit for bit, white in enumerate(centres.flatten()) if white)


@dataclass
class Rtsp:
    """A camera that sends `count` frames per connection, then closes or stalls the connection."""

    count: int = 1_000_000
    hangs_up: bool = True
    password: str = ""
    frames_per_second: float = 50.0
    # The number of the last frame that any connection sent.
    sent: int = 0
    connections: int = 0
    ending: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving_rtsp(camera: Rtsp, port: int = 0) -> Iterator[int]:
    """Serve the camera on a port (0: a free port) during the `with` block; yield the port."""
    listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=_serve, args=(connection, camera))
            threads.append(thread)
            thread.start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        camera.ending.set()
        # Only a shutdown wakes the thread that accepts connections; closing the socket does not.
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [accepting, *threads]:
            thread.join(HANG_SECONDS)
            assert not thread.is_alive()


def _serve(connection: socket.socket, camera: Rtsp) -> None:
    connection.settimeout(HANG_SECONDS)
    with connection, suppress(OSError), connection.makefile("rb") as requests:
        while not camera.ending.is_set():
            request = _request(requests)
            if request is None:
                return
            method, headers = request
            connection.sendall(_answer(method, headers, camera))
            if method == "PLAY" and _allowed(headers, camera):
                camera.connections += 1
                _play(connection, camera)
                return


def _request(requests: io.BufferedReader) -> tuple[str, dict[str, str]] | None:
    first = requests.readline().decode()
    headers = {}
    while (line := requests.readline().decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return (first.split(" ")[0], headers) if first else None


def _allowed(headers: dict[str, str], camera: Rtsp) -> bool:
    expected = "Basic " + base64.b64encode(f"eye:{camera.password}".encode()).decode()
    return not camera.password or headers.get("authorization") == expected


def _answer(method: str, headers: dict[str, str], camera: Rtsp) -> bytes:
    status, more, body = "200 OK", [], ""
    if method != "OPTIONS" and not _allowed(headers, camera):
        status, more = "401 Unauthorized", ['WWW-Authenticate: Basic realm="camera"']
    elif method == "OPTIONS":
        more = ["Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"]
    elif method == "DESCRIBE":
        body = (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
            f"m=video 0 RTP/AVP {_JPEG_PAYLOAD}\r\na=control:track1\r\n"
            f"a=framerate:{camera.frames_per_second:g}\r\n"
        )
        more = ["Content-Type: application/sdp"]
    elif method == "SETUP":
        if "interleaved" not in headers.get("transport", ""):
            status = "461 Unsupported Transport"
        more = ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1", "Session: 7"]
    elif method == "PLAY":
        more = ["Session: 7", "Range: npt=0.000-"]
    lines = [f"RTSP/1.0 {status}", f"CSeq: {headers.get('cseq', '0')}", *more]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()


def _play(connection: socket.socket, camera: Rtsp) -> None:
    sequence = 0
    for frame in range(camera.count):
        timestamp = int(frame * _CLOCK_HZ / camera.frames_per_second)
        for packet, last in _packets(camera.sent + 1):
            head = struct.pack(
                "!BBHII", 0x80, _JPEG_PAYLOAD | (0x80 if last else 0), sequence, timestamp, 7
            )
            content = head + packet
            connection.sendall(b"$" + struct.pack("!BH", 0, len(content)) + content)
            sequence = (sequence + 1) & 0xFFFF
        camera.sent += 1
        if camera.ending.wait(1 / camera.frames_per_second):
            return
    if not camera.hangs_up:
        camera.ending.wait(HANG_SECONDS)


def _packets(number: int) -> Iterator[tuple[bytes, bool]]:
    """Yield each RTP payload of a frame; the flag is true for the last payload."""
    tables, scan = _parts(number)
    for offset in range(0, len(scan), _PACKET_BYTES):
        piece = scan[offset : offset + _PACKET_BYTES]
        head = struct.pack("!I", offset) + bytes(
            [_SUBSAMPLED_420, _TABLES_IN_BAND, WIDTH_PX // 8, HEIGHT_PX // 8]
        )
        if offset == 0:
            head += struct.pack("!BBH", 0, 0, len(tables)) + tables
        yield head + piece, offset + len(piece) == len(scan)


def _parts(number: int) -> tuple[bytes, bytes]:
    """Return the quantization tables and the scan of a frame's baseline JPEG."""
    content = io.BytesIO()
    Image.fromarray(numbered(number)).save(content, "JPEG", quality=90, subsampling=2)
    jpeg, tables, at = content.getvalue(), b"", 2
    while True:
        marker, length = struct.unpack("!HH", jpeg[at : at + 4])
        segment = jpeg[at + 4 : at + 2 + length]
        at += 2 + length
        if marker == 0xFFDB:
            # Each table consists of its number and 64 values; RTP transports only the values.
            tables += b"".join(segment[i + 1 : i + 65] for i in range(0, len(segment), 65))
        if marker == 0xFFDA:
            return tables, jpeg[at:-2]
