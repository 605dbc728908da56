"""Read images from files, cameras and requests within limits.

Formats are recognized by content. Only formats that Pillow decodes itself are accepted; for EPS,
Pillow would start Ghostscript. The size is checked before decoding, because a few bytes can declare
an image of several gigabytes.
"""

import io
import os
import re
import stat
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from shared.artifact.errors import ImageError, SizeError

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
DEFAULT_MEGAPIXELS = 16
# Pillow warns about larger images, and rejects images above twice the size.
LARGEST_MEGAPIXELS = 89

_EXPECTED = "expected JPEG, PNG, BMP or WebP"
_MEGA = 1_000_000
# An uncompressed image has four bytes per pixel at most; metadata may add some MiB.
_BYTES_PER_PIXEL = 4
_METADATA_BYTES = 16 << 20
# Each scan of a progressive JPEG decodes the complete image. Encoders write about ten scans.
_MOST_SCANS = 100
_START_OF_SCAN = b"\xff\xda"
_NUMBER = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True)
class ImageLimit:
    """The maximum size of an image, in megapixels."""

    megapixels: int = DEFAULT_MEGAPIXELS
    # The name of the setting that changes the limit, for error messages.
    setting: str = ""

    @classmethod
    def from_text(cls, text: str, setting: str) -> "ImageLimit":
        """Parse the value of a setting; an empty value selects the default.

        Raises:
            ValueError: the text is not an integer in range; the message has the expected values.
        """
        if not text:
            return cls(setting=setting)
        if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= LARGEST_MEGAPIXELS:
            raise ValueError(f"an integer from 1 to {LARGEST_MEGAPIXELS} (megapixels)")
        return cls(int(text), setting)

    @property
    def largest_file_bytes(self) -> int:
        """The size of the largest accepted file, in bytes."""
        return self.megapixels * _MEGA * _BYTES_PER_PIXEL + _METADATA_BYTES

    def check(self, width_px: int, height_px: int) -> None:
        """Raise `SizeError` if an image of this size exceeds the limit."""
        if width_px * height_px > self.megapixels * _MEGA:
            raise self.error(f"{width_px} x {height_px} pixels")

    def check_bytes(self, size: int) -> None:
        """Raise `SizeError` if a file of `size` bytes exceeds the limit."""
        if size > self.largest_file_bytes:
            raise SizeError(
                f"{size} bytes are above the limit of {self.largest_file_bytes} bytes for "
                f"{self.megapixels} megapixels{self._advice()}"
            )

    def error(self, size: str) -> SizeError:
        """Return the error for an image of this size."""
        limit = f"the limit of {self.megapixels} megapixels"
        return SizeError(f"{size} are above {limit}{self._advice()}")

    def _advice(self) -> str:
        return f" ({self.setting} changes it, up to {LARGEST_MEGAPIXELS})" if self.setting else ""


_DEFAULT_LIMIT = ImageLimit()
# Pillow's size check raises a warning, and an error at twice the size. `SizeError` replaces both.
_BOMBS = (Image.DecompressionBombWarning, Image.DecompressionBombError)
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


def open_image(
    source: Path | bytes,
    limit: ImageLimit = _DEFAULT_LIMIT,
    *,
    draft_px: tuple[int, int] | None = None,
) -> Image.Image:
    """Return a decoded image, in the color mode of its file.

    Args:
        source: a file, or an image's bytes.
        limit: the maximum size of the image.
        draft_px: minimum (width, height) to which a JPEG may be reduced for faster decoding.

    Raises:
        ImageError: the file is not a regular file, not in one of the formats, or damaged.
        SizeError: the image exceeds the limit.
    """
    content = source if isinstance(source, bytes) else _read(source, limit)
    limit.check_bytes(len(content))
    _check_before_opening(content, limit)
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        limit.check(*image.size)
        if draft_px is not None:
            image.draft("RGB", draft_px)
        image.load()
    except SizeError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{_EXPECTED}; got {_shown(content)}") from None
    except _BOMBS:
        raise limit.error(f"over {LARGEST_MEGAPIXELS} million pixels") from None
    except Exception as error:
        # Pillow's decoders raise many types of errors, such as OSError, SyntaxError and
        # struct.error.
        raise ImageError(f"{_EXPECTED}; got a damaged file: {error}") from error
    return image


def read_rgb(source: Path | bytes, limit: ImageLimit = _DEFAULT_LIMIT) -> npt.NDArray[np.uint8]:
    """Return an image as uint8 [height, width, 3], RGB; raise the errors of `open_image`."""
    return np.array(open_image(source, limit).convert("RGB"))


def check_encoded(content: bytes, limit: ImageLimit = _DEFAULT_LIMIT) -> None:
    """Check the size of an image that another library will decode; ignore other content.

    Raises:
        SizeError: the image exceeds the limit.
    """
    _check_before_opening(content, limit)
    try:
        # TensorFlow also decodes GIF.
        with Image.open(io.BytesIO(content), formats=(*FORMATS, "GIF")) as image:
            size = image.size
    except _BOMBS:
        raise limit.error(f"over {LARGEST_MEGAPIXELS} million pixels") from None
    except Exception:  # noqa: BLE001 - the decoder reports non-images
        return
    limit.check(*size)


def _check_before_opening(content: bytes, limit: ImageLimit) -> None:
    if size := _webp_size(content):
        # Pillow allocates two canvases of a WebP's size when it opens the file, so the check
        # precedes.
        limit.check(*size)
    if content.startswith(b"\xff\xd8") and content.count(_START_OF_SCAN) > _MOST_SCANS:
        raise SizeError(f"a JPEG of over {_MOST_SCANS} scans takes too long to decode")


def _webp_size(content: bytes) -> tuple[int, int] | None:
    """Return the width and height of a WebP in pixels; None for other content.

    Source: RFC 9649, "WebP Image Format", sections 2.5 to 2.7.
    """
    head = content[:30]
    if head[:4] != b"RIFF" or head[8:12] != b"WEBP" or len(head) < 30:  # noqa: PLR2004 - the slice
        return None
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = head[26:28], head[28:30]
        return int.from_bytes(width, "little") & 0x3FFF, int.from_bytes(height, "little") & 0x3FFF
    return None


def _read(file: Path, limit: ImageLimit) -> bytes:
    """Return a file's content.

    FIFOs and devices are rejected, because reading them may not end.
    """
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as opened:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("it is not a regular file")
            limit.check_bytes(status.st_size)
            # The file may grow while it is read.
            return opened.read(limit.largest_file_bytes + 1)
    except IsADirectoryError:
        raise ImageError("it is a folder, not a file") from None
    except OSError as error:
        raise ImageError(f"it cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ImageError(f"it cannot be read: {error}") from None


def _shown(content: bytes) -> str:
    if not content:
        return "an empty file"
    return f"a file of {len(content)} bytes that begins with {content[:8]!r}"
