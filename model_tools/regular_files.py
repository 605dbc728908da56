"""Read files without blocking, and up to a maximum size.

A FIFO in the folder of a model would block without end, and a device has no end, whatever its size.
"""

from pathlib import Path

from model_tools.errors import SourceError


def check_regular(file: Path) -> None:
    """Check that a path is a regular file; a missing file is reported when it is opened.

    Raises:
        SourceError: the path is a folder, a FIFO, a socket or a device.
    """
    if file.exists() and not file.is_file():
        raise SourceError(f"{file} is not a regular file")


def read_at_most(file: Path, largest_bytes: int) -> bytes:
    """Return the content of a file or pipe.

    Raises:
        OSError: the file cannot be read.
        SourceError: the file is larger.
    """
    with file.open("rb") as opened:
        content = opened.read(largest_bytes + 1)
    if len(content) > largest_bytes:
        raise SourceError(f"{file} is larger than {largest_bytes} bytes")
    return content
