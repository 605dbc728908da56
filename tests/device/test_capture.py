from dataclasses import replace

import numpy as np
import pytest

from camera.capture import CaptureLoop
from camera.errors import CameraError
from tests.device.bench import Bench, ScriptedCamera, frame

DARK = CameraError("dark")


def messages(bench: Bench) -> list[str]:
    return [payload.decode() for _, payload in bench.messages]


def test_frames_keep_to_the_interval_without_drift() -> None:
    camera = Bench(frame_interval_seconds=1.0).capture([frame()] * 5)
    assert camera.captured_at == pytest.approx([100, 101, 102, 103, 104])


def test_a_camera_slower_than_the_interval_works_without_a_pause_and_without_a_rush() -> None:
    bench = Bench(frame_interval_seconds=1.0)
    camera = bench.capture([frame()] * 4, takes_seconds=2.5)
    assert camera.captured_at == pytest.approx([102.5, 105, 107.5, 110])
    assert bench.clock.waits == []


def test_the_newest_frame_is_used_and_the_older_ones_are_counted() -> None:
    bench = Bench()
    bench.capture([frame("a.png"), frame("b.png"), frame("c.png")])
    taken = bench.newest.take(0)
    assert taken is not None
    assert taken.frame.source == "c.png"
    assert bench.newest.dropped == 2
    assert bench.newest.take(0) is None


def test_all_frames_of_a_stream_are_read_and_one_per_interval_is_used() -> None:
    bench = Bench(frame_interval_seconds=1.0)
    seen = []
    bench.newest.put = lambda one: seen.append(one.source)  # type: ignore[method-assign]
    pictures = [frame(f"{number}.png") for number in range(31)]
    camera = bench.capture(pictures, is_stream=True, takes_seconds=0.1)
    assert len(camera.captured_at) == 31
    assert seen == ["0.png", "10.png", "20.png", "30.png"]
    assert bench.clock.waits == []


def test_a_failing_camera_is_retried_after_increasing_pauses() -> None:
    bench = Bench()
    bench.capture([DARK] * 8 + [frame()])
    assert bench.clock.waits[:8] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert len(messages(bench)) == 1
    assert bench.reported["status"] == "failing"


def test_a_success_shortens_the_pause_again() -> None:
    bench = Bench(frame_interval_seconds=0.5)
    bench.capture([DARK, DARK, frame(), DARK, frame()])
    assert bench.clock.waits == [1, 2, 0.5, 1, 0.5]


def test_one_damaged_image_in_a_folder_is_published_once() -> None:
    bench = Bench()
    bench.capture([frame("a.png"), CameraError("'b.png' is not a readable image")] * 16)
    assert len(messages(bench)) == 1
    assert bench.reported["errors"] == 16


def test_a_changed_interval_applies_from_the_next_frame() -> None:
    bench = Bench(frame_interval_seconds=1.0)
    wait, intervals = bench.clock.wait, {2: 3.0, 4: 0.5}

    def wait_for_a_change(seconds: float) -> bool:
        if changed := intervals.get(len(bench.clock.waits) + 1):
            assert bench.settings.apply_desired({"frame_interval_seconds": changed}) is None
        return wait(seconds)

    # The setting changes during the loop's second and fourth pauses.
    bench.clock.wait = wait_for_a_change  # type: ignore[method-assign]
    camera = bench.capture([frame()] * 7)
    assert camera.captured_at == pytest.approx([100, 101, 102, 105, 108, 108.5, 109])


def test_a_camera_that_does_not_respond_is_reported_once() -> None:
    bench = Bench()

    class Blocking(ScriptedCamera):
        def capture(self) -> object:  # type: ignore[override]
            bench.clock.now_seconds += 9
            loop.report_blocked()
            assert bench.reported["status"] == "starting"
            bench.clock.now_seconds += 1
            loop.report_blocked()
            loop.report_blocked()
            loop.stop()
            return frame()

    loop = CaptureLoop(
        camera=Blocking([], bench.clock),  # type: ignore[arg-type]
        newest=bench.newest,
        settings=bench.settings,
        reporter=bench.reporter,
        clock=bench.clock,
        wait=bench.clock.wait,
    )
    with bench._spooling():  # noqa: SLF001 - the test uses its own bench
        loop.run()
    assert bench.reported["status"] == "failing"
    assert bench.reported["last_error"]["message"] == "the camera has not responded for 10 s"
    assert len(messages(bench)) == 1


def noise(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def test_a_live_camera_with_equal_frames_for_ten_seconds_is_frozen() -> None:
    bench = Bench(frame_interval_seconds=1.0)
    picture = replace(frame(), image=noise(1))
    bench.capture([picture] * 20, is_live=True)
    assert len(messages(bench)) == 1
    assert "has been the same for 10 s" in messages(bench)[0]


def test_an_image_of_a_folder_is_never_frozen() -> None:
    bench = Bench(frame_interval_seconds=1.0)
    bench.capture([replace(frame(), image=noise(1))] * 20, is_live=False)
    assert messages(bench) == []


def test_a_camera_whose_frames_change_is_not_frozen() -> None:
    bench = Bench(frame_interval_seconds=1.0)
    bench.capture([replace(frame(), image=noise(n)) for n in range(20)], is_live=True)
    assert messages(bench) == []


def test_a_black_frame_is_reported_once_and_used() -> None:
    bench = Bench()
    dark = np.zeros((48, 64, 3), np.uint8)
    # Some cameras draw a bright timestamp into a corner.
    dark[:2, :6] = 255
    pictures = [replace(frame(), image=dark)] * 3 + [replace(frame(), image=noise(2))]
    bench.capture(pictures, is_live=True)
    assert len(messages(bench)) == 1
    assert "the frame is black" in messages(bench)[0]
    assert bench.newest.dropped == 3


def test_a_frame_whose_lower_part_is_missing_is_not_used() -> None:
    bench = Bench()
    torn = noise(3)
    torn[30:] = 128
    bench.capture([replace(frame(), image=torn), replace(frame(), image=noise(4))], is_live=True)
    assert "truncated" in messages(bench)[0]
    assert bench.newest.dropped == 0
