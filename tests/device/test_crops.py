import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from camera.crops import FOLDER, SAMPLE_SECONDS, CropWriter
from camera.dynamic_settings import CurrentSettings
from camera.frames import Frame
from shared.vision.detections import Box, Detection
from testkit.waiting import HANG_SECONDS, eventually
from tests.device.bench import Bench, Clock, dynamic_settings

PLENTY = 1 << 40
BOX = Box(0.25, 0.5, 0.75, 1.0)


class Keeping:
    """A crop writer that receives one frame per second of a simulated clock."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.settings = CurrentSettings(dynamic_settings())
        assert self.settings.apply_desired({"crop_scores": [0.3, 0.6]} | settings) is None
        self.clock, self.folder, self.free_bytes = Clock(), folder / FOLDER, PLENTY
        self.failures: list[Exception] = []
        self.crops = CropWriter(
            folder, self.settings, clock=self.clock, free_bytes=lambda _: self.free_bytes
        )
        self.crops.on_failure = self.failures.append

    def observe(self, *detections: Detection, side_px: int = 100) -> None:
        self.clock.now_seconds += SAMPLE_SECONDS
        self.crops.observe(picture(side_px), detections, 1.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.crops.run)
        thread.start()
        try:
            yield
        finally:
            self.crops.stop()
            thread.join(HANG_SECONDS)
            assert not thread.is_alive()

    def names(self) -> list[str]:
        return sorted(file.name for file in self.folder.glob("*.jpg"))


def picture(side_px: int = 100) -> Frame:
    image = np.random.default_rng(0).integers(0, 256, (side_px, side_px, 3), np.uint8)
    image[side_px // 4 : side_px * 3 // 4, side_px // 2 :] = (200, 30, 30)
    return Frame(image, datetime(2026, 11, 21, 8, 15, tzinfo=UTC), "camera")


def test_an_uncertain_detection_is_stored_with_time_label_and_score(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    with keeping.running():
        keeping.observe(*(Detection("cat", score, BOX) for score in (0.29, 0.3, 0.59, 0.6, 0.9)))
        eventually(lambda: len(keeping.names()) == 2)
    assert keeping.names() == [
        "0000000001-20261121T081500Z-cat-0.30.jpg",
        "0000000002-20261121T081500Z-cat-0.59.jpg",
    ]
    with Image.open(keeping.folder / keeping.names()[0]) as stored:
        # The crop has a margin of a tenth of the box, and ends at the image's edge.
        assert stored.size == (55, 60)
        assert stored.convert("RGB").getpixel((30, 30))[0] > 150  # type: ignore[index]
    reported = keeping.crops.reported()
    assert reported is not None
    assert (reported.files, reported.skipped) == (2, 0)
    assert stat.S_IMODE((keeping.folder / keeping.names()[0]).stat().st_mode) == 0o600
    assert stat.S_IMODE(keeping.folder.stat().st_mode) == 0o700


def test_by_default_no_crop_is_stored(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.settings.apply_desired({"crop_scores": []})
    with keeping.running():
        keeping.observe(Detection("cat", 0.5, BOX))
    assert not keeping.folder.exists()
    assert keeping.crops.reported() is None
    assert dynamic_settings().crop_scores == ()


def test_the_number_of_crops_is_limited_and_the_oldest_are_removed_first(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, crop_files=3)
    keeping.folder.mkdir()
    (keeping.folder / "notes.txt").write_text("somebody else's")
    with keeping.running():
        for number in range(1, 9):
            keeping.observe(Detection(f"n{number}", 0.5, BOX))
            eventually(lambda number=number: any(f"-n{number}-" in one for one in keeping.names()))  # type: ignore[misc]
        eventually(lambda: len(keeping.names()) == 3)
    assert [name[:10] for name in keeping.names()] == ["0000000006", "0000000007", "0000000008"]
    assert (keeping.folder / "notes.txt").exists()


def test_the_size_of_the_folder_is_limited(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, crop_mib=1)
    with keeping.running():
        for number in range(1, 7):
            keeping.observe(Detection(f"n{number}", 0.5, None), side_px=700)
            eventually(lambda number=number: any(f"-n{number}-" in one for one in keeping.names()))  # type: ignore[misc]
        eventually(lambda: keeping.crops.reported().bytes <= 1 << 20)
    assert sum(file.stat().st_size for file in keeping.folder.iterdir()) <= 1 << 20
    assert any("-n6-" in name for name in keeping.names())


def test_a_clock_that_jumps_back_does_not_make_the_newest_the_oldest(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path, crop_files=1)
    keeping.folder.mkdir()
    (keeping.folder / "0000000007-20991231T235959Z-cat-0.50.jpg").write_bytes(b"a crop")
    with keeping.running():
        keeping.observe(Detection("cat", 0.5, BOX))
        eventually(lambda: keeping.names() == ["0000000008-20261121T081500Z-cat-0.50.jpg"])


def test_a_nearly_full_disk_gets_no_crops_and_frames_continue(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.free_bytes = 1 << 20
    with keeping.running():
        keeping.observe(Detection("cat", 0.5, BOX))
        eventually(lambda: len(keeping.failures) == 1)
        keeping.free_bytes = PLENTY
        keeping.observe(Detection("cat", 0.5, BOX))
        eventually(lambda: len(keeping.names()) == 1)
    assert "less than 128 MiB of the disk are free" in str(keeping.failures[0])
    assert keeping.crops.reported().skipped == 1


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    keeping.folder.write_text("a file")
    with keeping.running():
        keeping.observe(Detection("cat", 0.5, BOX))
        eventually(lambda: len(keeping.failures) == 1)
    assert "crops cannot be stored" in str(keeping.failures[0])


def test_a_crop_that_is_not_written_completely_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping = Keeping(tmp_path)

    def half(_image: Image.Image, file: object, *_: object, **__: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half)
    with keeping.running():
        keeping.observe(Detection("cat", 0.5, BOX))
        eventually(lambda: len(keeping.failures) == 1)
    assert list(keeping.folder.iterdir()) == []


def test_consecutive_frames_are_stored_once(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    with keeping.running():
        keeping.observe(Detection("cat", 0.5, BOX))
        for _ in range(5):
            keeping.crops.observe(picture(), [Detection("cat", 0.5, BOX)], 1.0)
        keeping.observe(Detection("dog", 0.5, BOX))
        eventually(lambda: any("dog" in name for name in keeping.names()))
    assert len(keeping.names()) == 2


def test_a_slow_disk_does_not_delay_the_loop(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    for _ in range(100):
        keeping.observe(Detection("cat", 0.5, BOX))
    assert keeping.crops.reported().skipped == 100 - 16


@given(label=st.text(max_size=60), side=st.sampled_from([-1.0, 0.0, 0.5, 1.0, 7.0]))
def test_no_label_and_no_box_leaves_the_folder(
    label: str, side: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("state")
    keeping = Keeping(folder)
    keeping.observe(Detection(label, 0.5, Box(0.0, 0.0, side, 1.0)), Detection(label, 0.5, None))
    while not keeping.crops._waiting.empty():  # noqa: SLF001 - a thread for each example would be slow
        keeping.crops._write(keeping.crops._waiting.get(), keeping.settings.current)  # noqa: SLF001 - a thread for each example would be slow
    assert {file.name for file in folder.iterdir()} == {FOLDER}
    assert len(keeping.names()) >= 1
    assert keeping.crops._stored(), "they are known as crops again"  # noqa: SLF001 - the class has no public list of crops


def test_no_message_contains_a_crop(tmp_path: Path) -> None:
    keeping, bench = Keeping(tmp_path), Bench(threshold=0.5)
    bench.engine.script = [[Detection("cat", 0.4, BOX)]]
    with keeping.running():
        bench.infer([picture()], observers=[keeping.crops])
        eventually(lambda: len(keeping.names()) == 1)
    assert bench.messages == []
