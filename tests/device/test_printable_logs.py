"""Strings from a camera, a file or a bundle cannot forge lines in the log or in a report."""

import logging
import sys

import pytest

from camera.cameras.mjpeg import MjpegCamera
from camera.errors import CameraError
from camera.log_format import PrintableFormatter
from camera.messages import error_report
from tests.device.network_cameras import serving_bytes

HOSTILE = "\x1b[2J\u202ex\n2026-11-30 INFO forged\u2028"


def formatted(record: logging.LogRecord) -> str:
    return PrintableFormatter("%(levelname)s %(message)s").format(record)


def fail() -> None:
    raise ValueError(HOSTILE)


def test_a_record_is_one_line_without_control_characters() -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed: %s", (HOSTILE,), None)
    assert formatted(record) == (r"ERROR failed: \x1b[2J\u202ex\n2026-11-30 INFO forged\u2028")


def test_a_traceback_has_lines_and_no_control_characters() -> None:
    try:
        fail()
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    text = formatted(record)
    assert text.startswith("ERROR failed\nTraceback (most recent call last):\n")
    assert r"\x1b[2J\u202ex" in text
    assert not {"\x1b", "\u202e", "\u2028"} & set(text)


def test_a_long_record_is_shortened() -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "%s", ("x" * 10_000_000,), None)
    assert len(formatted(record)) < 3000


def test_a_reported_error_is_bounded_and_can_be_printed() -> None:
    report = error_report(CameraError(HOSTILE + "\x1b" * 10_000), 1)
    assert report.message.startswith(r"\x1b[2J\u202ex\n2026-11-30 INFO forged\u2028\x1b")
    assert len(report.message) == 500
    assert report.message.isprintable()


def test_the_reason_of_a_network_camera_is_reported_without_control_characters() -> None:
    begin = b"HTTP/1.1 500 \x1b[2Jgone\r\nContent-Length: 0\r\n\r\n"
    with (
        serving_bytes(begin, b"", pause_seconds=0.01) as address,
        pytest.raises(CameraError, match="500") as raised,
    ):
        MjpegCamera(address).capture()
    assert r"\x1b[2Jgone" in error_report(raised.value, 1).message
