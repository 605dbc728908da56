"""Convert the data set of the guide, `HeadPoseData_trn_test_x15_py2.pkl`, without running its code.

A pickle is a program. The conversion runs in a limited process, and allows only calls of NumPy's
array constructors. The results are checked and written as plain arrays.

The file is a tuple of four arrays: training and test images [n, 3, 84, 84], training and test
angles [n, 2] (tilt, pan), in units of 90 degrees.
"""

import codecs
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from model_tools.errors import RefusedError, SourceError
from model_tools.samples.headpose.drawing import SIDE_PX
from model_tools.samples.headpose.poses import pose_of
from model_tools.sandbox import Limits, isolated

_LARGEST_BYTES = 16 << 30
_PARTS = 4
_CHANNELS = 3
_CHUNK = 1024


def convert(source: Path, destination: Path) -> None:
    """Write the data set to `destination`, an .npz for `data.read`.

    Raises:
        RefusedError: the pickle names other classes or functions than NumPy's array constructors
            (rule pickle-name), or contains other arrays (rule pickle-content).
        SourceError: the file is not a pickle, or is too large.
        IsolationError: the process that reads the pickle crashed, or exceeded a limit.
    """
    size = source.stat().st_size
    if size > _LARGEST_BYTES:
        raise SourceError(f"{source} has {size} bytes; the limit is {_LARGEST_BYTES}")
    mib = size >> 20
    limits = Limits(seconds=60 + mib // 10, memory_mib=1024 + 4 * mib, file_mib=1024 + mib)
    isolated(_convert, source, destination, limits=limits)


def _convert(source: Path, destination: Path) -> None:
    with source.open("rb") as file:
        try:
            parts = _Arrays(file, encoding="latin1").load()
        except RefusedError:
            raise
        except Exception as error:  # noqa: BLE001 - a pickle can raise any exception
            raise SourceError(f"{source} is not a pickle of arrays: {error}") from None
    if not isinstance(parts, (tuple, list)) or len(parts) != _PARTS:
        raise RefusedError("pickle-content", f"expected {_PARTS} arrays, got {type(parts)}")
    train, test, train_angles, test_angles = (_array(part) for part in parts)
    np.savez(
        destination,
        train_pictures=_pictures(train),
        train_poses=_poses(train_angles, len(train)),
        test_pictures=_pictures(test),
        test_poses=_poses(test_angles, len(test)),
    )


class _Arrays(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        allowed = _ALLOWED.get((module_name, global_name))
        if allowed is None:
            raise RefusedError(
                "pickle-name",
                f"the pickle names {module_name}.{global_name}"[:120]
                + ": expected only the constructors of NumPy arrays",
            )
        return allowed


def _bytes_of(text: str, encoding: str = "latin1") -> bytes:
    return codecs.encode(text, "latin1") if encoding == "latin1" else b""


def _names() -> dict[tuple[str, str], Callable[..., Any]]:
    from numpy._core import multiarray  # noqa: PLC0415 - pickled arrays name this module

    allowed: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _bytes_of,
    }
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        allowed[module, "_reconstruct"] = multiarray._reconstruct  # noqa: SLF001
        allowed[module, "scalar"] = multiarray.scalar
    return allowed


_ALLOWED = _names()


def _array(part: object) -> npt.NDArray[Any]:
    if not isinstance(part, np.ndarray) or part.dtype.kind not in "fiu":
        raise RefusedError("pickle-content", f"expected an array of numbers, got {type(part)}")
    return part


def _pictures(pictures: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return images as uint8 [n, 84, 84, 3]; floats from 0 to 1 are scaled to 0 … 255."""
    if pictures.shape[1:] != (_CHANNELS, SIDE_PX, SIDE_PX):
        raise RefusedError(
            "pickle-content", f"expected images [n, 3, 84, 84], got {list(pictures.shape)}"
        )
    result = np.empty((len(pictures), SIDE_PX, SIDE_PX, _CHANNELS), np.uint8)
    scale = 255 if pictures.dtype.kind == "f" and pictures[:_CHUNK].max(initial=0) <= 1 else 1
    for start in range(0, len(pictures), _CHUNK):
        part = pictures[start : start + _CHUNK].astype(np.float32) * scale
        if not np.isfinite(part).all():
            raise RefusedError("pickle-content", "an image has values that are not finite")
        result[start : start + _CHUNK] = np.clip(part.round(), 0, 255).transpose(0, 2, 3, 1)
    return result


def _poses(angles: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    if angles.shape != (count, 2) or not (np.abs(angles) <= 1).all():
        raise RefusedError(
            "pickle-content",
            f"expected angles [{count}, 2] from -1 to 1, got {list(angles.shape)}",
        )
    return pose_of(angles)
