"""Reading no more, and no longer, than was signed."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared.signatures.attacks import Attack, SignatureRefused
from shared.signatures.statement import SignedFile

# Slower than this is not a slow line: 64 KiB/s, after ten seconds to begin.
_LEAST_BYTES_PER_SECOND = 64 << 10
_BEGIN_SECONDS = 10.0


@dataclass(frozen=True)
class Limits:
    """How much is read, and for how long."""

    bytes: int
    seconds: float
    # The longest silence.
    begin_seconds: float = _BEGIN_SECONDS

    @classmethod
    def of(cls, file: SignedFile) -> "Limits":
        """The limits that follow from the signed size."""
        return cls(file.size_bytes, _BEGIN_SECONDS + file.size_bytes / _LEAST_BYTES_PER_SECOND)


def read_digest(
    chunks: Iterable[bytes],
    limits: Limits,
    called: str,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Return the SHA-256 (hex) of what `chunks` yields, within limits.

    Raises:
        SignatureRefused: there is more of it, or it takes longer.
    """
    digest = hashlib.sha256()
    for chunk in _limited(chunks, limits, called, clock):
        digest.update(chunk)
    return digest.hexdigest()


def read_whole(
    chunks: Iterable[bytes],
    limits: Limits,
    called: str,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """Return what `chunks` yields, within limits; raise as `read_digest` does."""
    return b"".join(_limited(chunks, limits, called, clock))


def _limited(
    chunks: Iterable[bytes], limits: Limits, called: str, clock: Callable[[], float]
) -> Iterable[bytes]:
    started, read = clock(), 0
    for chunk in chunks:
        read += len(chunk)
        if read > limits.bytes:
            raise SignatureRefused(
                Attack.ENDLESS_DATA,
                f"{called} goes on after the {limits.bytes} bytes that it may have; "
                "the rest was not read",
            )
        if clock() - started > limits.seconds:
            raise SignatureRefused(
                Attack.SLOW_RETRIEVAL,
                f"{called}: {read} of at most {limits.bytes} bytes came in {limits.seconds:.0f} s; "
                "given up",
            )
        yield chunk
