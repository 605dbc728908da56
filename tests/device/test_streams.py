"""RTSP streams from a test camera, and V4L2 without a camera."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from camera.cameras import camera_from, opencv
from camera.capture import CaptureLoop
from camera.dynamic_settings import CurrentSettings
from camera.errors import CameraError
from camera.frames import Camera, NewestFrame
from testkit.waiting import HANG_SECONDS, eventually
from tests.device.bench import dynamic_settings
from tests.device.network_cameras import write_video
from tests.device.rtsp_camera import Rtsp, number_of, numbered, serving_rtsp


class RecordedErrors:
    """A recorder of the loop's errors."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def frame_failed(self, error: Exception, _consecutive: int) -> None:
        self.errors.append(str(error))

    def degraded(self, error: Exception) -> None:
        self.errors.append(str(error))


@contextmanager
def captured(address: str, interval_seconds: float = 0.001) -> Iterator[tuple[NewestFrame, Any]]:
    """Run the capture thread on an address; yield the frame buffer and the recorded errors."""
    newest, reports = NewestFrame(), RecordedErrors()
    settings = CurrentSettings(dynamic_settings(frame_interval_seconds=interval_seconds))
    ending = threading.Event()
    more: dict[str, Any] = {"reporter": reports, "wait": lambda _: ending.wait(0.05)}
    camera = camera_from(address)
    loop = CaptureLoop(camera=camera, newest=newest, settings=settings, **more)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield newest, reports
    finally:
        loop.stop()
        ending.set()
        thread.join(HANG_SECONDS)
        assert not thread.is_alive()
        camera.close()


def captured_one(camera: Camera) -> bool:
    with suppress(CameraError):
        camera.capture()
        return True
    return False


def take_all(camera: Camera) -> None:
    while True:
        camera.capture()


def test_frames_arrive_complete_and_in_order() -> None:
    with serving_rtsp(Rtsp()) as port:
        camera = camera_from(f"rtsp://127.0.0.1:{port}/stream")
        frames = [camera.capture() for _ in range(10)]
        camera.close()
    numbers = [number_of(frame.image) for frame in frames]
    assert numbers == list(range(numbers[0], numbers[0] + 10))
    for frame, number in zip(frames, numbers, strict=True):
        assert frame.image.dtype == np.uint8
        assert np.abs(frame.image.astype(int) - numbered(number)).mean() < 4
        assert frame.source == f"rtsp://127.0.0.1:{port}/stream"


def test_the_newest_frame_is_used_and_the_others_are_counted() -> None:
    served = Rtsp(count=60, hangs_up=False)
    with (
        serving_rtsp(served) as port,
        captured(f"rtsp://127.0.0.1:{port}/s") as (newest, _),
    ):
        # The test takes no frame, so new frames replace the old frames.
        eventually(lambda: newest.dropped >= 20)
        taken = []

        def takes_one_of_the_last() -> bool:
            if captured_frame := newest.take(0.1):
                taken.append(number_of(captured_frame.frame.image))
            return bool(taken) and taken[-1] >= 58

        eventually(takes_one_of_the_last)
        assert taken[0] > 20
        assert taken == sorted(set(taken))
        assert served.connections == 1
        served.ending.set()


def test_a_camera_that_disconnected_is_connected_again_until_it_returns() -> None:
    first, second = Rtsp(), Rtsp(sent=1000)
    with ExitStack() as served:
        port = served.enter_context(serving_rtsp(first))
        address = f"rtsp://127.0.0.1:{port}/stream"
        with captured(address) as (newest, reports):
            eventually(lambda: newest.take(0.1))
            served.close()
            eventually(lambda: any("cannot be opened" in error for error in reports.errors))

            def shows_the_second() -> bool:
                taken = newest.take(0.1)
                return taken is not None and number_of(taken.frame.image) > 1000

            with serving_rtsp(second, port):
                eventually(shows_the_second)
        assert all(address in error for error in reports.errors)


def test_a_camera_that_stops_sending_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opencv, "_TIMEOUT_MS", 3000)
    with serving_rtsp(Rtsp(count=30, hangs_up=False)) as port:
        camera = camera_from(f"rtsp://127.0.0.1:{port}/stream")
        # On a busy machine, opening the camera can take longer than this test's timeout.
        eventually(lambda: captured_one(camera))
        with pytest.raises(CameraError, match="returned no frame; it is opened again"):
            take_all(camera)
        camera.close()


def test_a_password_opens_the_stream_and_a_wrong_one_is_one_error(tmp_path: Path) -> None:
    with serving_rtsp(Rtsp(password="open sesame")) as port:
        for password, works in (("wrong", False), ("open sesame", True)):
            (tmp_path / "camera-password").write_text(password)
            camera = camera_from(f"rtsp://eye@127.0.0.1:{port}/stream", tmp_path)
            if works:
                assert camera.capture().source == f"rtsp://127.0.0.1:{port}/stream"
            else:
                with pytest.raises(CameraError, match="check its address") as refused:
                    camera.capture()
                assert "wrong" not in str(refused.value)
            camera.close()


# OpenCV's V4L2 backend also opens files that are not cameras.


def as_character_device(_: Path) -> Path:
    return Path("/dev/null")


def as_file(folder: Path) -> Path:
    (folder / "video").write_bytes(b"no camera")
    return folder / "video"


@pytest.mark.parametrize("made", [as_character_device, as_file])
def test_a_file_that_is_not_a_camera_cannot_be_opened_by_v4l2(
    tmp_path: Path, made: Callable[[Path], Path]
) -> None:
    camera = opencv.V4l2Camera(made(tmp_path))
    with pytest.raises(CameraError, match="another program may use it"):
        camera.capture()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_the_error_of_a_device_of_another_group_names_the_group(tmp_path: Path) -> None:
    device = as_file(tmp_path)
    device.chmod(0)
    with pytest.raises(CameraError, match="must be in the group video"):
        opencv.V4l2Camera(device).capture()


def test_the_group_is_named_if_the_device_is_not_permitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(CameraError, match="must be in the group video"):
        opencv.V4l2Camera(as_file(tmp_path)).capture()


def test_a_v4l2_camera_buffers_one_frame_and_is_opened_again_after_a_disconnect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The camera calls OpenCV as V4L2 requires; a double of OpenCV reads a file, not a device."""
    write_video(tmp_path / "pictures.avi", [40, 200])
    asked: list[tuple[object, ...]] = []

    class Capture:
        def __init__(self, device: str, backend: int) -> None:
            asked.append(("open", device, backend))
            self._file = cv2.VideoCapture(str(tmp_path / "pictures.avi"), cv2.CAP_FFMPEG)

        def set(self, key: int, value: float) -> None:
            asked.append(("set", key, value))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    library = SimpleNamespace(
        VideoCapture=Capture,
        CAP_V4L2=cv2.CAP_V4L2,
        CAP_PROP_BUFFERSIZE=cv2.CAP_PROP_BUFFERSIZE,
        CAP_PROP_FRAME_WIDTH=cv2.CAP_PROP_FRAME_WIDTH,
        CAP_PROP_FRAME_HEIGHT=cv2.CAP_PROP_FRAME_HEIGHT,
    )
    monkeypatch.setattr(opencv, "_opencv", lambda: library)
    camera = camera_from("v4l2:/dev/video7")
    reds = [int(np.median(camera.capture().image[..., 0])) for _ in range(2)]
    assert reds == pytest.approx([40, 200], abs=8)
    with pytest.raises(CameraError, match="/dev/video7 returned no frame; it is opened again"):
        camera.capture()
    camera.capture()
    camera.close()
    opened = [("open", "/dev/video7", cv2.CAP_V4L2), ("set", cv2.CAP_PROP_BUFFERSIZE, 1)]
    assert asked == opened * 2
