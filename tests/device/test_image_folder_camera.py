import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from camera.cameras.folder import ImageFolderCamera
from camera.errors import CameraError
from shared.vision.images import ImageLimit


def draw(file: Path, color: tuple[int, int, int] = (255, 0, 0)) -> None:
    Image.new("RGB", (6, 4), color).save(file)


def sources(camera: ImageFolderCamera, count: int) -> list[str]:
    return [camera.capture().source for _ in range(count)]


def test_images_are_returned_in_the_order_of_their_names_repeatedly(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "c.BMP"):
        draw(tmp_path / name)
    camera = ImageFolderCamera(tmp_path)
    assert sources(camera, 5) == ["a.jpg", "b.png", "c.BMP", "a.jpg", "b.png"]


def test_a_frame_is_rgb_bytes_with_its_time(tmp_path: Path) -> None:
    draw(tmp_path / "red.png")
    before = datetime.now(UTC)
    frame = ImageFolderCamera(tmp_path).capture()
    assert frame.image.shape == (4, 6, 3)
    assert frame.image.dtype == np.uint8
    assert frame.image[0, 0].tolist() == [255, 0, 0]
    assert before <= frame.captured_at <= datetime.now(UTC)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_any_kind_of_image_becomes_rgb(tmp_path: Path, mode: str) -> None:
    suffix = "jpg" if mode == "CMYK" else "png"
    Image.new(mode, (6, 4)).save(tmp_path / f"picture.{suffix}")
    assert ImageFolderCamera(tmp_path).capture().image.shape == (4, 6, 3)


def test_each_cycle_lists_the_folder_again(tmp_path: Path) -> None:
    draw(tmp_path / "b.png")
    camera = ImageFolderCamera(tmp_path)
    assert sources(camera, 1) == ["b.png"]
    draw(tmp_path / "a.png")
    (tmp_path / "b.png").unlink()
    assert sources(camera, 2) == ["a.png", "a.png"]


def test_other_files_and_hidden_files_are_ignored(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "scenes.json").write_text("{}")
    (tmp_path / "._a.png").write_bytes(b"resource fork")
    assert sources(ImageFolderCamera(tmp_path), 2) == ["a.png", "a.png"]


def test_entries_that_are_not_regular_files_are_skipped_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw(tmp_path / "b.png")
    os.mkfifo(tmp_path / "a.png")
    (tmp_path / "c.png").mkdir()
    assert sources(ImageFolderCamera(tmp_path), 3) == ["b.png"] * 3
    assert caplog.messages == ["skipped, because they are not regular files: 'a.png', 'c.png'"]


def test_a_file_that_becomes_a_fifo_does_not_block(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw(tmp_path / name)
    camera = ImageFolderCamera(tmp_path)
    assert sources(camera, 1) == ["a.png"]
    (tmp_path / "b.png").unlink()
    os.mkfifo(tmp_path / "b.png")
    with pytest.raises(CameraError, match="it is not a regular file"):
        camera.capture()


def test_an_image_above_the_limit_is_named_and_the_next_one_follows(tmp_path: Path) -> None:
    Image.new("RGB", (1001, 1000)).save(tmp_path / "a.png")
    draw(tmp_path / "b.png")
    camera = ImageFolderCamera(tmp_path, ImageLimit(1))
    with pytest.raises(CameraError, match=r"'a\.png' is not .*1001 x 1000 pixels are above"):
        camera.capture()
    assert sources(camera, 1) == ["b.png"]


def test_a_missing_folder_is_named_and_listed_again(tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    camera = ImageFolderCamera(folder)
    with pytest.raises(CameraError, match=r"camera' cannot be listed: No such file"):
        camera.capture()
    folder.mkdir()
    with pytest.raises(CameraError, match=r"camera' contains no image \(\.bmp"):
        camera.capture()
    draw(folder / "a.png")
    assert sources(camera, 1) == ["a.png"]


@pytest.mark.parametrize("kind", ["truncated", "empty", "text", "folder", "gone"])
def test_an_unreadable_image_is_named_and_the_next_one_follows(tmp_path: Path, kind: str) -> None:
    for name in ("a.png", "b.png", "c.png"):
        Image.effect_noise((64, 64), 50).save(tmp_path / name)
    broken = tmp_path / "b.png"
    camera = ImageFolderCamera(tmp_path)
    assert sources(camera, 1) == ["a.png"]
    content = broken.read_bytes()
    broken.unlink()
    if kind == "folder":
        broken.mkdir()
    elif kind != "gone":
        broken.write_bytes(
            {"truncated": content[: len(content) // 2], "empty": b"", "text": b"hello"}[kind]
        )
    with pytest.raises(CameraError, match=r"^'b\.png' is not a readable image: "):
        camera.capture()
    assert sources(camera, 1) == ["c.png"]
