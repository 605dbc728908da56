"""The guide's own data set, `HeadPoseData_trn_test_x15_py2.pkl`, read without running what it says.

A pickle is a program. Of all that it may call, only what NumPy's arrays are made of is allowed, and
it runs in the limited process; what comes out is checked and written as plain arrays.

The file is a tuple of four arrays: training and test pictures [n, 3, 84, 84], training and test
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
    """Write the data set as `destination`, an .npz that `data.read_npz` reads.

    Raises:
        RefusedError: pickle-name, pickle-content: it asks for more than arrays, or holds others.
        SourceError: it is no pickle, or is too large.
        IsolationError: reading it crashed or took too much.
    """
    size = source.stat().st_size
    if size > _LARGEST_BYTES:
        raise SourceError(f"{source} has {size} bytes; at most {_LARGEST_BYTES} are read")
    mib = size >> 20
    limits = Limits(seconds=60 + mib // 10, memory_mib=1024 + 4 * mib, file_mib=1024 + mib)
    isolated(_convert, source, destination, limits=limits)


def _convert(source: Path, destination: Path) -> None:
    with source.open("rb") as file:
        try:
            parts = _Arrays(file, encoding="latin1").load()
        except RefusedError:
            raise
        except Exception as error:  # noqa: BLE001 - a pickle can raise anything
            raise SourceError(f"{source} is no pickle of arrays: {error}") from None
    if not isinstance(parts, (tuple, list)) or len(parts) != _PARTS:
        raise RefusedError("pickle-content", f"expected {_PARTS} arrays, found {type(parts)}")
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
        found = _ALLOWED.get((module_name, global_name))
        if found is None:
            raise RefusedError("pickle-name", f"it asks for {module_name}.{global_name}"[:120])
        return found


def _bytes_of(text: str, encoding: str = "latin1") -> bytes:
    return codecs.encode(text, "latin1") if encoding == "latin1" else b""


def _names() -> dict[tuple[str, str], Callable[..., Any]]:
    from numpy._core import multiarray  # noqa: PLC0415 - where pickles of arrays point to

    found: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _bytes_of,
    }
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        found[module, "_reconstruct"] = multiarray._reconstruct  # noqa: SLF001
        found[module, "scalar"] = multiarray.scalar
    return found


_ALLOWED = _names()


def _array(part: object) -> npt.NDArray[Any]:
    if not isinstance(part, np.ndarray) or part.dtype.kind not in "fiu":
        raise RefusedError("pickle-content", f"expected an array of numbers, found {type(part)}")
    return part


def _pictures(pictures: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Return uint8 [n, 84, 84, 3]; floats from 0 to 1 are scaled to 0 … 255."""
    wanted = (_CHANNELS, SIDE_PX, SIDE_PX)
    if pictures.shape[1:] != wanted:
        raise RefusedError("pickle-content", f"pictures are [n, 3, 84, 84], not {pictures.shape}")
    result = np.empty((len(pictures), SIDE_PX, SIDE_PX, _CHANNELS), np.uint8)
    scale = 255 if pictures.dtype.kind == "f" and pictures[:_CHUNK].max(initial=0) <= 1 else 1
    for start in range(0, len(pictures), _CHUNK):
        part = pictures[start : start + _CHUNK].astype(np.float32) * scale
        if not np.isfinite(part).all():
            raise RefusedError("pickle-content", "a picture has values that are no numbers")
        result[start : start + _CHUNK] = np.clip(part.round(), 0, 255).transpose(0, 2, 3, 1)
    return result


def _poses(angles: npt.NDArray[Any], count: int) -> npt.NDArray[np.int64]:
    if angles.shape != (count, 2) or not (np.abs(angles) <= 1).all():
        raise RefusedError(
            "pickle-content", f"angles are [{count}, 2] from -1 to 1, not {angles.shape}"
        )
    return pose_of(angles)
