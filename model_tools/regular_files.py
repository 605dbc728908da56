"""Read files that were named, or found in a folder, without waiting and within a limit.

A FIFO in a model's folder would block for ever, and a device never ends, whatever its size says.
"""

from pathlib import Path

from model_tools.errors import SourceError


def check_regular(file: Path) -> None:
    """Check that a file has an end; a missing one passes, because opening it explains that.

    Raises:
        SourceError: it is a folder, a FIFO, a socket or a device.
    """
    if file.exists() and not file.is_file():
        raise SourceError(f"{file} is not a regular file")


def read_at_most(file: Path, largest_bytes: int) -> bytes:
    """Return a file's content, of a pipe as well.

    Raises:
        OSError: the file cannot be read.
        SourceError: it is larger.
    """
    with file.open("rb") as opened:
        content = opened.read(largest_bytes + 1)
    if len(content) > largest_bytes:
        raise SourceError(f"{file} is larger than {largest_bytes} bytes")
    return content
