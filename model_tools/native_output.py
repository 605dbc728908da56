"""Suppress the output of native code while TensorFlow is loaded."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2


@contextmanager
def held_back() -> Iterator[None]:
    """Hold back what is written to stderr; write it after all if the block raises.

    TensorFlow reports oneDNN before its log is initialized, at any TF_CPP_MIN_LOG_LEVEL.
    """
    sys.stderr.flush()
    original = os.dup(_STDERR)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), _STDERR)
        try:
            yield
        except BaseException:
            _restore(original)
            file.seek(0)
            os.write(_STDERR, file.read())
            raise
        _restore(original)


def load_tensorflow() -> None:
    """Import TensorFlow without its first messages."""
    if "tensorflow" not in sys.modules:
        with held_back():
            import tensorflow  # noqa: F401, ICN001, PLC0415 - takes seconds; for sys.modules


def _restore(original: int) -> None:
    sys.stderr.flush()
    os.dup2(original, _STDERR)
    os.close(original)
