"""Images are recognized by content, and their size is checked before they are decoded."""

import contextlib
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifact.errors import ImageError, SizeError
from shared.vision.images import (
    ImageLimit,
    check_encoded,
    open_image,
    read_rgb,
)
from tests.unit.vision.encoded_images import (
    LARGE,
    encoded,
    png,
    png_chunk,
)

SMALL = ImageLimit(1, "MEGAPIXELS")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP"])
def test_each_format_is_read_whatever_the_file_is_called(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "image.txt"
    file.write_bytes(encoded(kind))
    image = read_rgb(file)
    assert image.shape == (4, 6, 3)
    assert image.dtype == np.uint8
    assert np.allclose(image[0, 0], [255, 0, 0], atol=3)


@pytest.mark.parametrize("kind", LARGE)
def test_an_image_above_the_limit_is_never_decoded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    monkeypatch.setattr("PIL._webp.WebPAnimDecoder", decoded)
    with pytest.raises(SizeError, match="pixels are above the limit of 16 megapixels"):
        open_image(LARGE[kind])
    with pytest.raises(SizeError):
        check_encoded(LARGE[kind])


@given(
    st.integers(1, 80),
    st.integers(1, 80),
    st.sampled_from([0, 1]),
    st.sampled_from([b"", b"Exif\0\0"]),
)
def test_webp_sizes_are_those_that_pillow_reads(
    width_px: int, height_px: int, lossless: int, exif: bytes
) -> None:
    content = encoded("WEBP", (width_px, height_px), lossless=bool(lossless), exif=exif)
    limit = ImageLimit(1)
    assert open_image(content, limit).size == (width_px, height_px)
    # The header declares 16,383 pixels per side, the maximum of both codecs.
    large = bytearray(content)
    if content[12:16] == b"VP8 ":
        large[26:30] = b"\xff\x3f\xff\x3f"
    elif content[12:16] == b"VP8L":
        large[21:24] = b"\xff\xff\xff"
    else:
        large[24:30] = b"\xfe\x3f\x00\xfe\x3f\x00"
    with pytest.raises(SizeError):
        open_image(bytes(large), limit)


def test_the_limit_is_a_setting_that_the_error_names() -> None:
    content = encoded("PNG", (1001, 1000))
    assert open_image(content).size == (1001, 1000)
    with pytest.raises(SizeError) as raised:
        open_image(content, SMALL)
    assert str(raised.value) == (
        "1001 x 1000 pixels are above the limit of 1 megapixels (MEGAPIXELS changes it, up to 89)"
    )


@pytest.mark.parametrize("text", ["0", "90", "-1", "1.5", "٣", "9" * 5000, " 4", "4\n"])
def test_a_wrong_limit_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="an integer from 1 to 89"):
        ImageLimit.from_text(text, "MEGAPIXELS")


@pytest.mark.parametrize("kind", ["EPS", "GIF", "TIFF", "PPM", "PDF", "ICO", "TGA"])
def test_other_formats_are_rejected(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "image.jpg"
    file.write_bytes(encoded(kind))
    with pytest.raises(ImageError, match="expected JPEG, PNG, BMP or WebP; got a"):
        read_rgb(file)


def test_a_fifo_or_a_device_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    for file in (tmp_path / "x.png", Path("/dev/zero")):
        with pytest.raises(ImageError, match="it is not a regular file"):
            read_rgb(file)


def test_a_file_above_the_size_of_the_largest_image_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "sparse.bmp"
    with file.open("wb") as opened:
        opened.truncate(1 << 40)
    with pytest.raises(SizeError, match="1099511627776 bytes are above the limit of 80777216"):
        read_rgb(file)


def test_a_text_chunk_that_unpacks_to_megabytes_is_one_error() -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(80 << 20))
    content = png(6, 4, png_chunk(b"zTXt", text), png_chunk(b"IDAT", b""))
    with pytest.raises(ImageError, match="got a damaged file: "):
        open_image(content)


def test_a_jpeg_of_too_many_scans_is_rejected() -> None:
    content = encoded("JPEG", progressive=True)
    start = content.rindex(b"\xff\xda")
    scan = content[start:-2]
    with pytest.raises(SizeError, match="over 100 scans"):
        open_image(content[:start] + 101 * scan + content[-2:])


@given(st.binary(max_size=400), st.sampled_from([b"", *LARGE.values(), encoded("JPEG")]))
def test_any_bytes_are_an_image_or_one_error(content: bytes, before: bytes) -> None:
    for source in (before + content, before[: len(content)] + content):
        with contextlib.suppress(ImageError):
            image = open_image(source, SMALL)
            assert image.width * image.height <= 1_000_000


def test_what_is_no_image_passes_to_its_own_decoder() -> None:
    check_encoded(b"a string")
    check_encoded(encoded("GIF"))
    with pytest.raises(SizeError):
        check_encoded(encoded("GIF", (1001, 1000)), SMALL)
