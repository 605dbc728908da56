"""MXNet's parameter files, read without MXNet, which is retired.

The format is little endian: uint64 0x112, uint64 0, uint64 n, n arrays, uint64 n, n names (uint64
length, UTF-8). An array: uint32 version; [2, 3: int32 storage type, 0 dense]; shape (uint32 rank,
int64 sides); int32 device, int32 device number; int32 dtype; values. In older files, an array
begins with its rank instead of a version, and has uint32 sides.

Source: apache/mxnet, src/ndarray/ndarray.cc, `NDArray::Save` and `NDArray::LegacyLoad`.
"""

import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from model_tools.errors import RefusedError, SourceError

LIST_MAGIC = 0x112
V1, V2, V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA

MOST_ARRAYS = 100_000
MOST_BYTES = 8 << 30
_MOST_SIDES = 32
_LONGEST_NAME = 1024
# NumPy dtypes by mshadow's type numbers. bfloat16 (12) has no NumPy type and is not supported.
DTYPES = {
    0: "float32", 1: "float64", 2: "float16", 3: "uint8", 4: "int32", 5: "int8", 6: "int64",
    7: "bool", 8: "int16", 9: "uint16", 10: "uint32", 11: "uint64",
}  # fmt: skip


@dataclass(frozen=True)
class MxnetParameter:
    """The name, shape and type of an array with finite values."""

    name: str
    shape: tuple[int, ...]
    dtype: str


def read_parameters(file: Path) -> dict[str, MxnetParameter]:
    """Return the arrays of a .params file by name, such as `arg:conv0_weight`.

    Raises:
        SourceError: the file is in another format, truncated, or contains sparse arrays.
        RefusedError: the file breaks the rule params-size, params-name or params-value.
    """
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise RefusedError("params-size", f"{file.name} has {size} bytes (max {MOST_BYTES})")
    with file.open("rb") as opened:
        reader = _Reader(opened, size, file.name)
        magic, _reserved, count = reader.numbers("<QQQ")
        if magic != LIST_MAGIC:
            raise SourceError(
                f"{file.name} is not a file of MXNet's parameters: expected one from nd.save or "
                "save_checkpoint"
            )
        if count > MOST_ARRAYS:
            raise RefusedError("params-size", f"{count} arrays (max {MOST_ARRAYS})")
        arrays = [_array(reader) for _ in range(count)]
        names = _names(reader, count)
        if reader.left:
            raise SourceError(f"{file.name} has {reader.left} bytes after its end: expected none")
    parameters = {
        name: MxnetParameter(name, shape, dtype)
        for name, (shape, dtype) in zip(names, arrays, strict=True)
    }
    if len(parameters) != count:
        raise RefusedError("params-name", f"{file.name} contains two arrays with the same name")
    return parameters


class _Reader:
    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self.left, self.name = file, size, name

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise SourceError(
                f"{self.name} is truncated: expected {count} more bytes; got {self.left}"
            )
        self.left -= count
        return self._file.read(count)

    def numbers(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self.take(struct.calcsize(form)))


def _array(reader: _Reader) -> tuple[tuple[int, ...], str]:
    (version,) = reader.numbers("<I")
    if version in (V2, V3):
        (storage,) = reader.numbers("<i")
        if storage != 0:
            raise SourceError(
                f"{reader.name} contains sparse arrays: convert them with array.tostype('default')"
            )
    if version in (V1, V2, V3):
        (rank,) = reader.numbers("<i")
        shape = _shape(reader, rank, "q")
    else:
        rank = version
        shape = _shape(reader, rank, "I")
    if rank == 0 and version != V3:
        raise SourceError(f"{reader.name} contains an array without a value")
    _device, _number, kind = reader.numbers("<iii")
    if kind not in DTYPES:
        raise SourceError(
            f"{reader.name} contains an array of MXNet's type {kind}: expected "
            f"{', '.join(DTYPES.values())}"
        )
    dtype = np.dtype(DTYPES[kind])
    # If one side is 0, another may be huge. Therefore, only the product of the sides is limited, by
    # the remaining bytes.
    values = np.frombuffer(reader.take(prod(shape) * dtype.itemsize), dtype)
    if dtype.kind == "f" and not np.isfinite(values).all():
        raise RefusedError("params-value", f"{reader.name} contains NaN or infinity")
    return shape, dtype.name


def _shape(reader: _Reader, rank: int, side: str) -> tuple[int, ...]:
    if not 0 <= rank <= _MOST_SIDES:
        raise SourceError(
            f"{reader.name} is not valid: an array has {rank} sides (max {_MOST_SIDES})"
        )
    shape = reader.numbers(f"<{rank}{side}")
    if any(length < 0 for length in shape):
        raise SourceError(f"{reader.name} is not valid: an array has the shape {list(shape)}")
    return shape


def _names(reader: _Reader, count: int) -> list[str]:
    (name_count,) = reader.numbers("<Q")
    if name_count != count:
        raise SourceError(f"{reader.name} has {count} arrays and {name_count} names")
    names = []
    for _ in range(count):
        (length,) = reader.numbers("<Q")
        if length > _LONGEST_NAME:
            raise RefusedError("params-name", f"a name has {length} bytes (max {_LONGEST_NAME})")
        try:
            name = reader.take(length).decode()
        except UnicodeDecodeError:
            raise RefusedError("params-name", "a name is not UTF-8") from None
        if not name.isprintable():
            raise RefusedError("params-name", f"{name[:60]!r} contains unprintable characters")
        names.append(name)
    return names
