"""A user's folder of images is checked before a virtual camera reads the images."""

from pathlib import Path

import pytest
from PIL import Image

from deeplens.local.images import (
    SUFFIXES,
    WrongImages,
    check_images,
    image_files,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.PNG", "a.jpg", ".hidden.png"):
        Image.new("RGB", (80, 60), "red").save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


def test_images_are_counted_and_other_files_ignored(folder: Path) -> None:
    assert check_images(folder) == 2
    assert [file.name for file in image_files(folder)] == ["a.jpg", "b.PNG"]


def test_the_suffixes_are_those_that_the_cameras_own_source_reads() -> None:
    source = Path(__file__).parents[3] / "lambda_src/inference/camera/cameras/folder.py"
    assert str(SUFFIXES).replace("'", '"') in source.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing", "there is no such folder"), ("notes.txt", "it is a file")],
)
def test_a_folder_that_is_none_is_named_with_the_reason(
    folder: Path, name: str, reason: str
) -> None:
    with pytest.raises(WrongImages) as caught:
        check_images(folder / name)
    assert caught.value.message == f"{str(folder / name)!r} is not a folder of images: {reason}"
    assert caught.value.exit_code == 2


def test_a_folder_without_images_is_rejected_with_what_would_work(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "inside/a.png")
    with pytest.raises(WrongImages, match=r"expected files that end with \.bmp, \.jpeg, .*none"):
        check_images(tmp_path)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("kept", [0, 40, 4000])
def test_an_image_that_is_cut_short_is_named(folder: Path, suffix: str, kept: int) -> None:
    broken = folder / f"broken.{suffix}"
    Image.effect_noise((200, 200), 80).save(broken)
    content = broken.read_bytes()
    assert len(content) > kept
    broken.write_bytes(content[:kept])
    with pytest.raises(WrongImages, match=f"broken.{suffix}' is not a readable image"):
        check_images(folder)
