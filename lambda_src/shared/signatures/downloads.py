"""Read downloads up to their signed size and within a time limit."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from shared.signatures.attacks import Attack, SignatureRefused
from shared.signatures.statement import SignedFile

# The speed that determines the time limit of a download: ten seconds, and one second per 64 KiB of
# the signed size. A slower download counts as an attack.
_LEAST_BYTES_PER_SECOND = 64 << 10
_BEGIN_SECONDS = 10.0


@dataclass(frozen=True)
class Limits:
    """The maximum size and duration of a download, in bytes and seconds."""

    bytes: int
    seconds: float
    # The timeout of each network operation, in seconds.
    begin_seconds: float = _BEGIN_SECONDS

    @classmethod
    def of(cls, file: SignedFile) -> "Limits":
        """Return the limits for a file of the signed size."""
        return cls(file.size_bytes, _BEGIN_SECONDS + file.size_bytes / _LEAST_BYTES_PER_SECOND)


def read_digest(
    chunks: Iterable[bytes],
    limits: Limits,
    name: str,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Return the SHA-256 (hex) of the data in `chunks`.

    Raises:
        SignatureRefused: the data exceeds a limit.
    """
    digest = hashlib.sha256()
    for chunk in _limited(chunks, limits, name, clock):
        digest.update(chunk)
    return digest.hexdigest()


def read_whole(
    chunks: Iterable[bytes],
    limits: Limits,
    name: str,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> bytes:
    """Return the data in `chunks`.

    Raises:
        SignatureRefused: the data exceeds a limit.
    """
    return b"".join(_limited(chunks, limits, name, clock))


def _limited(
    chunks: Iterable[bytes], limits: Limits, name: str, clock: Callable[[], float]
) -> Iterable[bytes]:
    started, read = clock(), 0
    for chunk in chunks:
        read += len(chunk)
        if read > limits.bytes:
            raise SignatureRefused(
                Attack.ENDLESS_DATA,
                f"{name} is longer than the {limits.bytes} bytes that were signed; "
                "the rest was not read",
            )
        if clock() - started > limits.seconds:
            raise SignatureRefused(
                Attack.SLOW_RETRIEVAL,
                f"{name}: {read} of at most {limits.bytes} bytes arrived in "
                f"{limits.seconds:.0f} s; the download was stopped",
            )
        yield chunk
