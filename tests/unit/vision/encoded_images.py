"""Small encoded images, and headers of images above the pixel limit."""

import io
import struct
import zlib
from typing import Any

from PIL import Image

SIDE_PX = 13_000


def encoded(kind: str, size: tuple[int, int] = (6, 4), **options: Any) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", size, (255, 0, 0)).save(content, kind, **options)
    return content.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(width_px: int, height_px: int, *chunks: bytes) -> bytes:
    """Return the start of a PNG: its header and the given chunks."""
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks)


def webp_canvas(width_px: int, height_px: int) -> bytes:
    """Return a WebP of 34 bytes that only declares its canvas."""
    sides = b"".join((side - 1).to_bytes(3, "little") for side in (width_px, height_px))
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sides + b"\0\0\0\0"
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def bmp(width_px: int, height_px: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width_px, height_px, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header


def jpeg_of(width_px: int, height_px: int) -> bytes:
    """Return a JPEG of 6 x 4 pixels whose header declares another size."""
    content = bytearray(encoded("JPEG"))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", height_px, width_px)
    return bytes(content)


LARGE = {
    "png": png(SIDE_PX, SIDE_PX, png_chunk(b"IDAT", b"")),
    "webp": webp_canvas(SIDE_PX, SIDE_PX),
    "bmp": bmp(SIDE_PX, SIDE_PX),
    "jpg": jpeg_of(SIDE_PX, SIDE_PX),
}
