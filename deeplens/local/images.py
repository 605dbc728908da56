"""Images for a virtual camera: a folder of the user, or drawn samples."""

from pathlib import Path

import click

from deeplens.local.emulator import LOCAL, LOGS, ROOT
from deeplens.local.processes import run
from deeplens.local.status import status_line
from shared.artifact.errors import ImageError
from shared.vision.images import open_image

# The same suffixes as in lambda_src/inference/camera/cameras/folder.py, which this package must not
# import.
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")

_DEEPLENS = ROOT / ".venv" / "bin" / "deeplens"
_SCENES = LOCAL / "scenes"
_HEADS = ROOT / "build" / "headpose" / "pictures"
_DRAFT_PX = (64, 64)


class WrongImages(click.ClickException):
    """Raised if a virtual camera cannot show the images of a folder."""

    exit_code = 2


def image_files(folder: Path) -> list[Path]:
    """Return the images that a virtual camera shows, in the order of their names.

    Raises:
        WrongImages: the folder does not exist, or contains no image.
    """
    if not folder.is_dir():
        reason = "it is a file" if folder.exists() else "there is no such folder"
        raise WrongImages(f"{str(folder)!r} is not a folder of images: {reason}")
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    )
    if not files:
        raise WrongImages(
            f"{str(folder)!r} is not a folder of images: expected files that end with "
            f"{', '.join(SUFFIXES)} directly in it; got none"
        )
    return files


def check_images(folder: Path) -> int:
    """Decode every image of a folder; return the number of images.

    Raises:
        WrongImages: the folder does not exist or contains no images, or an image cannot be read;
            the message contains its name.
    """
    files = image_files(folder)
    with status_line() as status:
        for number, file in enumerate(files, start=1):
            status.update(f"checking images: {number} of {len(files)}")
            _check(file)
    return len(files)


def sample_images(model: str) -> Path:
    """Return a folder with sample images for `model`; draw scenes with shapes if none exist.

    Raises:
        CommandFailed: the scenes cannot be drawn.
    """
    if model == "headpose" and _HEADS.is_dir():
        return _HEADS
    if not (_SCENES / "scenes.json").is_file():
        run([_DEEPLENS, "model", "scenes", _SCENES], LOGS / "scenes.log")
    return _SCENES


def _check(file: Path) -> None:
    try:
        # Draft mode decodes a JPEG faster, and still detects truncated files.
        open_image(file, draft_px=_DRAFT_PX)
    except ImageError as error:
        raise WrongImages(f"{str(file)!r} is not a readable image: {error}") from error
