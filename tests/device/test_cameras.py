"""Cameras return frames, or raise an error that describes the failure."""

import os
import socket
import sys
import types
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from camera.cameras import camera_from
from camera.cameras.awscam import AwscamCamera
from camera.cameras.mjpeg import MjpegCamera
from camera.cameras.opencv import without_password
from camera.errors import CameraError, PublishError, SettingsError
from camera.greengrass import GreengrassSdkPublisher
from shared.vision.images import ImageLimit
from testkit.waiting import eventually
from tests.device.network_cameras import (
    HEIGHT_PX,
    WIDTH_PX,
    Mjpeg,
    picture,
    serving_bytes,
    serving_mjpeg,
    write_video,
)


def red(camera: Any) -> int:
    """Return the median red value of the camera's next frame; green and blue must be near zero."""
    image = camera.capture().image
    assert image.shape == (HEIGHT_PX, WIDTH_PX, 3)
    assert image.dtype == np.uint8
    assert image[..., 1:].mean() < 12
    return int(np.median(image[..., 0]))


# Cameras with MJPEG over HTTP


def test_an_mjpeg_camera_returns_frames_in_order() -> None:
    with serving_mjpeg(Mjpeg([picture(50), picture(200)])) as address:
        camera = camera_from(address)
        assert red(camera) == pytest.approx(50, abs=4)
        assert red(camera) == pytest.approx(200, abs=4)
        camera.close()


def test_an_mjpeg_camera_that_disconnects_is_connected_again() -> None:
    served = Mjpeg([picture(100)])
    with serving_mjpeg(served) as address:
        camera = camera_from(address)
        red(camera)
        with pytest.raises(CameraError, match="returned no frame: the stream ended"):
            camera.capture()
        red(camera)
        camera.close()
    assert served.connections == 2


def test_a_truncated_jpeg_is_reported_and_the_next_one_is_used() -> None:
    with serving_mjpeg(Mjpeg([picture(50)[:-200], b"no jpeg \xff\xd9", picture(90)])) as address:
        camera = camera_from(address)
        with pytest.raises(CameraError, match="sent a truncated image of"):
            camera.capture()
        with pytest.raises(CameraError, match="sent a damaged image"):
            camera.capture()
        assert red(camera) == pytest.approx(90, abs=4)
        camera.close()


def test_a_password_is_used_and_never_shown() -> None:
    served = Mjpeg([picture(50)], password="s3cret")
    with serving_mjpeg(served) as address:
        camera = camera_from(address.replace("http://", "http://eye:s3cret@"))
        frame = camera.capture()
        assert "s3cret" not in frame.source
        camera.close()
        wrong = camera_from(address.replace("http://", "http://eye:wr0ng@"))
        with pytest.raises(CameraError, match="401") as refused:
            wrong.capture()
        assert "wr0ng" not in str(refused.value)


def test_a_password_may_be_on_the_device_instead_of_in_the_recipe(tmp_path: Path) -> None:
    with serving_mjpeg(Mjpeg([picture(50)], password="s3:/@cret")) as address:
        setting = address.replace("http://", "http://eye@")
        with pytest.raises(SettingsError, match=r"write it into .*camera-password on the device"):
            camera_from(setting, tmp_path)
        (tmp_path / "camera-password").write_text("\ufeffs3:/@cret\n", encoding="utf-8")
        camera = camera_from(setting, tmp_path)
        assert red(camera) == pytest.approx(50, abs=4)
        camera.close()


@pytest.mark.parametrize(
    ("served", "message"),
    [
        (Mjpeg([picture(1)], content_type="text/html"), "content type is text/html"),
        (Mjpeg([picture(1)], with_length=False), "has None bytes"),
        (Mjpeg([b""]), "has 0 bytes"),
    ],
)
def test_a_response_that_is_not_mjpeg_is_one_error(served: Mjpeg, message: str) -> None:
    with serving_mjpeg(served) as address, pytest.raises(CameraError, match=message):
        camera_from(address).capture()


def test_an_mjpeg_camera_that_stops_sending_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("camera.cameras.mjpeg._TIMEOUT_SECONDS", 0.3)
    with serving_mjpeg(Mjpeg([picture(50)], hangs=True)) as address:
        camera = MjpegCamera(address)

        def captured_one() -> bool:
            with suppress(CameraError):
                camera.capture()
                return True
            return False

        # On a busy machine, the first frame can take longer than this test's timeout.
        eventually(captured_one)
        with pytest.raises(CameraError, match="timed out"):
            camera.capture()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
PART = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "drip"),
    [
        pytest.param(b"", b"H", id="status line"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"x", id="header"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="continue"),
        pytest.param(HEAD, b"-", id="header of a part"),
        pytest.param(HEAD + PART, b"\xff", id="image"),
    ],
)
def test_a_camera_that_sends_byte_by_byte_meets_a_deadline(
    begin: bytes, drip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("camera.cameras.mjpeg._TIMEOUT_SECONDS", 0.5)
    with serving_bytes(begin, drip, pause_seconds=0.01) as address:
        camera = MjpegCamera(address)
        with pytest.raises(CameraError, match=r"no complete response within 0\.5 s"):
            camera.capture()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_content_of_a_redirect_is_not_read(status: int) -> None:
    with serving_mjpeg(Mjpeg([picture(50)])) as target:
        begin = f"HTTP/1.1 {status} Found\r\nLocation: {target}\r\n\r\n"
        # The redirect's body never ends, so reading the body would block the camera.
        with serving_bytes(begin.encode(), b"x" * 1000, pause_seconds=0.01) as address:
            camera = MjpegCamera(address)
            assert red(camera) == pytest.approx(50, abs=4)
            camera.close()


def test_a_redirect_to_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    for target in (f"file://{tmp_path}/file", "ftp://127.0.0.1/file"):
        begin = f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
        with (
            serving_bytes(begin.encode(), b"", pause_seconds=0.01) as address,
            pytest.raises(CameraError, match="returned no frame"),
        ):
            MjpegCamera(address).capture()


def test_a_frame_above_the_limit_is_not_decoded_and_the_next_one_is_used() -> None:
    content = bytearray(picture(50))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = b"\x13\x88\x13\x88"
    with serving_mjpeg(Mjpeg([bytes(content), picture(90)])) as address:
        camera = camera_from(address, limit=ImageLimit(16, "DEEPLENS_MAX_MEGAPIXELS"))
        with pytest.raises(CameraError, match=r"5000 x 5000 pixels are above .*DEEPLENS_MAX_MEGA"):
            camera.capture()
        assert red(camera) == pytest.approx(90, abs=4)
        camera.close()


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_an_unreachable_network_camera_is_one_error(scheme: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    camera = camera_from(f"{scheme}://user:s3cret@127.0.0.1:{port}/stream?key=s3cret")
    with pytest.raises(CameraError, match=f"{scheme}://127.0.0.1:{port}/stream") as refused:
        camera.capture()
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://u:p@192.0.2.7:554/a/b?key=1", "rtsp://192.0.2.7:554/a/b"),
        ("http://u:p%40@host/x@y", "http://host/x@y"),
        ("https://host", "https://host"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert without_password(address) == shown


# Cameras that OpenCV opens


def test_a_video_file_is_repeated(tmp_path: Path) -> None:
    write_video(tmp_path / "street.avi", [40, 120, 200])
    camera = camera_from(f"video:{tmp_path / 'street.avi'}")
    reds = [red(camera) for _ in range(7)]
    assert reds == pytest.approx([40, 120, 200, 40, 120, 200, 40], abs=8)
    camera.close()
    assert red(camera) == pytest.approx(40, abs=8)
    camera.close()


def test_a_file_that_is_not_a_video_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(CameraError, match=r"gone\.mp4 cannot be opened; the file does not exist"):
        camera_from(f"video:{tmp_path / 'gone.mp4'}").capture()
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(CameraError, match=r"text\.mp4 cannot be opened; it is not a video"):
        camera_from(f"video:{tmp_path / 'text.mp4'}").capture()


def test_a_video_above_the_limit_is_not_used(tmp_path: Path) -> None:
    write_video(tmp_path / "street.avi", [40])
    camera = camera_from(f"video:{tmp_path / 'street.avi'}", limit=ImageLimit(megapixels=0))
    with pytest.raises(CameraError, match=r"street\.avi cannot be used: 64 x 48 pixels are above"):
        camera.capture()


def test_a_fifo_as_a_video_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "street.mp4")
    with pytest.raises(CameraError, match=r"cannot be opened; it is not a regular file"):
        camera_from(f"video:{tmp_path / 'street.mp4'}").capture()


def test_a_missing_device_is_one_error() -> None:
    with pytest.raises(
        CameraError, match="/dev/video99 cannot be opened; the device does not exist"
    ):
        camera_from("v4l2:/dev/video99").capture()


def test_without_opencv_the_error_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(CameraError, match="install opencv-python-headless"):
        camera_from("v4l2:/dev/video0").capture()


# Cameras of an AWS DeepLens


def deeplens(monkeypatch: pytest.MonkeyPatch, answer: tuple[bool, Any]) -> None:
    """Install a double of awscam: `getLastFrame() -> (ret, frame)`, in BGR order."""
    awscam = types.ModuleType("awscam")
    awscam.getLastFrame = lambda: answer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "awscam", awscam)


def test_a_deeplens_returns_its_last_frame_red_first(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.zeros((1520, 2688, 3), np.uint8)
    frame[..., 2] = 200
    deeplens(monkeypatch, (True, frame))
    captured = AwscamCamera().capture()
    assert captured.image.shape == (1520, 2688, 3)
    assert captured.image[0, 0].tolist() == [200, 0, 0]
    assert captured.source == "awscam"


@pytest.mark.parametrize("answer", [(False, None), (True, None), (False, np.zeros((2, 2, 3)))])
def test_a_deeplens_without_a_frame_is_an_error(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[bool, Any]
) -> None:
    deeplens(monkeypatch, answer)
    with pytest.raises(CameraError, match="returned no frame"):
        AwscamCamera().capture()


def test_on_other_machines_awscam_is_one_error() -> None:
    with pytest.raises(CameraError, match="only an AWS DeepLens has this camera"):
        AwscamCamera().capture()


class Router:
    """A double of greengrasssdk 1.6.1's client: keyword-only arguments; it can raise `failure`."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        self.failure: Exception | None = None

    def publish(self, *, topic: str, payload: bytes, queueFullPolicy: str) -> None:  # noqa: N803 - the library's name
        assert queueFullPolicy in {"AllOrException", "BestEffort"}
        if self.failure:
            raise self.failure
        self.taken.append((topic, payload))


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Router:
    made = Router()
    module = types.ModuleType("greengrasssdk")
    module.client = lambda name: {"iot-data": made}[name]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "greengrasssdk", module)
    return made


def test_on_a_deeplens_messages_go_through_greengrasssdk(router: Router) -> None:
    GreengrassSdkPublisher().publish("deeplens/x/infer", b"{}")
    assert router.taken == [("deeplens/x/infer", b"{}")]


def test_a_rejected_message_is_an_error_and_the_next_one_is_sent(
    router: Router,
) -> None:
    publisher = GreengrassSdkPublisher()
    router.failure = RuntimeError("queue full")
    with pytest.raises(PublishError, match="greengrasssdk did not accept it: RuntimeError: queue"):
        publisher.publish("t", b"1")
    router.failure = None
    publisher.publish("t", b"2")
    assert router.taken == [("t", b"2")]


def test_without_greengrasssdk_the_error_names_it() -> None:
    with pytest.raises(PublishError, match="greengrasssdk did not accept it: ModuleNotFoundError"):
        GreengrassSdkPublisher().publish("t", b"1")
