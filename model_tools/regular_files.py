"""Read files without blocking, and up to a maximum size.

A FIFO in a model's folder would block indefinitely, and reading a device may never end.
"""

from pathlib import Path

from model_tools.errors import SourceError


def check_regular(file: Path) -> None:
    """Check that a path is a regular file; the later `open` reports a missing file.

    Raises:
        SourceError: the path is a folder, a FIFO, a socket or a device.
    """
    if file.exists() and not file.is_file():
        raise SourceError(f"{file} is not a regular file")


def read_at_most(file: Path, largest_bytes: int) -> bytes:
    """Return the content of a file or pipe.

    Raises:
        OSError: the file cannot be read.
        SourceError: the content exceeds `largest_bytes`.
    """
    with file.open("rb") as opened:
        content = opened.read(largest_bytes + 1)
    if len(content) > largest_bytes:
        raise SourceError(f"{file} is larger than {largest_bytes} bytes")
    return content
