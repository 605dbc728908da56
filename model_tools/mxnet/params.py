"""MXNet's file of parameters, read without MXNet, which is abandoned.

All little endian: uint64 0x112, uint64 0, uint64 n, n arrays, uint64 n, n names (uint64 length,
UTF-8). An array: uint32 version; [2, 3: int32 storage type, 0 dense]; shape (uint32 rank, int64
sides); int32 device, int32 its number; int32 dtype; values. An older file has a rank where others
have their version, and uint32 sides.

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
# Numbers of mshadow's types; bfloat16, 12, has no NumPy type and is only counted.
DTYPES = {
    0: "float32", 1: "float64", 2: "float16", 3: "uint8", 4: "int32", 5: "int8", 6: "int64",
    7: "bool", 8: "int16", 9: "uint16", 10: "uint32", 11: "uint64",
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """An array of the file; its values were seen to be finite, and are not kept."""

    name: str
    shape: tuple[int, ...]
    dtype: str


def read_parameters(file: Path) -> dict[str, Parameter]:
    """Return what a .params file holds, by name, such as `arg:conv0_weight`.

    Raises:
        SourceError: it is no such file, is cut short, or holds what is not read (sparse arrays).
        RefusedError: params-size, params-name, params-value: it is none that one would deploy.
    """
    size = file.stat().st_size
    if size > MOST_BYTES:
        raise RefusedError("params-size", f"{file.name} has {size} bytes; at most {MOST_BYTES}")
    with file.open("rb") as opened:
        reader = _Reader(opened, size, file.name)
        magic, _reserved, count = reader.numbers("<QQQ")
        if magic != LIST_MAGIC:
            raise SourceError(
                f"{file.name} is no file of MXNet's parameters (nd.save, save_checkpoint)"
            )
        if count > MOST_ARRAYS:
            raise RefusedError("params-size", f"{count} arrays; at most {MOST_ARRAYS} are read")
        arrays = [_array(reader) for _ in range(count)]
        names = _names(reader, count)
        if reader.left:
            raise SourceError(f"{file.name} goes on after its end, by {reader.left} bytes")
    found = {
        name: Parameter(name, shape, dtype)
        for name, (shape, dtype) in zip(names, arrays, strict=True)
    }
    if len(found) != count:
        raise RefusedError("params-name", f"{file.name} has two arrays of one name")
    return found


class _Reader:
    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file, self.left, self.name = file, size, name

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise SourceError(
                f"{self.name} is cut short: {count} bytes should follow, not {self.left}"
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
                f"{reader.name} holds sparse arrays, which are not read here: "
                "array.tostype('default') makes them dense"
            )
    if version in (V1, V2, V3):
        (rank,) = reader.numbers("<i")
        shape = _shape(reader, rank, "q")
    else:
        rank = version
        shape = _shape(reader, rank, "I")
    if rank == 0 and version != V3:
        raise SourceError(f"{reader.name} holds an array without a value")
    _device, _number, kind = reader.numbers("<iii")
    if kind not in DTYPES:
        raise SourceError(f"{reader.name} holds an array of MXNet's type {kind}, which is not read")
    dtype = np.dtype(DTYPES[kind])
    # Sides may be huge and another one 0: the product counts, and what is there bounds it.
    values = np.frombuffer(reader.take(prod(shape) * dtype.itemsize), dtype)
    if dtype.kind == "f" and not np.isfinite(values).all():
        raise RefusedError("params-value", f"{reader.name} holds values that are no numbers")
    return shape, dtype.name


def _shape(reader: _Reader, rank: int, side: str) -> tuple[int, ...]:
    if not 0 <= rank <= _MOST_SIDES:
        raise SourceError(f"{reader.name} is broken: an array of {rank} sides")
    shape = reader.numbers(f"<{rank}{side}")
    if any(one < 0 for one in shape):
        raise SourceError(f"{reader.name} is broken: an array of the shape {list(shape)}")
    return shape


def _names(reader: _Reader, count: int) -> list[str]:
    (names,) = reader.numbers("<Q")
    if names != count:
        raise SourceError(f"{reader.name} has {count} arrays and {names} names")
    found = []
    for _ in range(count):
        (length,) = reader.numbers("<Q")
        if length > _LONGEST_NAME:
            raise RefusedError("params-name", f"a name of {length} bytes")
        try:
            name = reader.take(length).decode()
        except UnicodeDecodeError:
            raise RefusedError("params-name", "a name is no UTF-8") from None
        if not name.isprintable():
            raise RefusedError("params-name", f"{name[:60]!r} has characters that are not shown")
        found.append(name)
    return found
