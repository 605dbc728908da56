"""The rows on the pages of a damaged spool, read without SQLite.

SQLite finds a row through the pages above it, and refuses a page whose head is broken. Here each
page is read for itself: a row counts when its own checksum says that it is whole. So what is lost
is what the damaged bytes held, and no more.

Source: SQLite's file format, https://www.sqlite.org/fileformat2.html: b-tree pages (1.6), records
(2.1), overflow pages (1.6), the freelist (1.5) and the write-ahead log (4.1).
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = 4096
_LEAF, _INTERIOR = 0x0D, 0x05
_LEAF_HEAD_BYTES, _INTERIOR_HEAD_BYTES = 8, 12
_RIGHTMOST_CHILD_AT = 8
_LARGEST_RECORD_BYTES = 1 << 20
_WAL_HEAD_BYTES, _FRAME_HEAD_BYTES = 32, 24
_TRUNK_AT = 32
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 8: 0, 9: 0}
_FIRST_TEXT = 13
_FIRST_BLOB = 12
_COLUMNS = 4
_VARINT_BYTES = 9
# Each byte of a page whose head is broken may begin a row; a spool of 64 MiB has 16,000 pages.
_MOST_SEARCHED_PAGES = 500

# Sequence, topic, payload, checksum.
Row = tuple[int, str, bytes, int]


@dataclass(frozen=True)
class Rows:
    """Whole rows by sequence: those that are in use, and those that are, or were removed."""

    certain: dict[int, Row]
    perhaps: dict[int, Row]


def rows_on_pages(file: Path) -> Rows:
    """Return every whole row on pages that are not known to be free.

    Raises:
        OSError: the file cannot be read.
    """
    pages = _Pages.of(file)
    free = pages.free()
    certain: dict[int, Row] = {}
    perhaps: dict[int, Row] = {}
    suspect = []
    for number in sorted(set(range(2, len(pages) + 1)) - free):
        page = pages[number]
        cells = _cells(page, _LEAF_HEAD_BYTES) if page[0] == _LEAF else []
        found = pages.rows(page, cells)
        certain |= found
        is_whole_leaf = page[0] == _LEAF and len(found) == len(cells)
        if not is_whole_leaf and not pages.is_interior(page) and any(page):
            suspect.append(number)
    suspect = [number for number in suspect if number not in pages.overflowing]
    for number in suspect[:_MOST_SEARCHED_PAGES]:
        perhaps |= pages.rows(pages[number], range(PAGE_BYTES - _COLUMNS))
    return Rows(certain, perhaps)


@dataclass
class _Pages:
    """The pages of a database, the newest of each; `overflowing` belong to rows of other pages."""

    content: bytes
    newer: dict[int, bytes]
    overflowing: set[int]

    @classmethod
    def of(cls, file: Path) -> "_Pages":
        log = file.with_name(f"{file.name}-wal")
        newer = dict(_logged(log.read_bytes())) if log.exists() else {}
        return cls(file.read_bytes(), newer, set())

    def __len__(self) -> int:
        return max([len(self.content) // PAGE_BYTES, *self.newer])

    def __getitem__(self, number: int) -> bytes:
        """Return a page; zeros for one that is not there."""
        found = self.newer.get(number)
        if found is None:
            found = self.content[(number - 1) * PAGE_BYTES : number * PAGE_BYTES]
        return found.ljust(PAGE_BYTES, b"\0")

    def free(self) -> set[int]:
        """Return the numbers of pages on the freelist; they hold what was removed."""
        free: set[int] = set()
        (trunk,) = struct.unpack_from(">I", self[1], _TRUNK_AT)
        while 1 < trunk <= len(self) and trunk not in free:
            free.add(trunk)
            page = self[trunk]
            trunk, count = struct.unpack_from(">II", page)
            most = PAGE_BYTES // 4 - 2
            free.update(struct.unpack_from(f">{min(count, most)}I", page, 8))
        return free

    def is_interior(self, page: bytes) -> bool:
        """Whether a page leads to others; its first byte alone may be noise."""
        cells = _cells(page, _INTERIOR_HEAD_BYTES) if page[0] == _INTERIOR else []
        if not cells or max(cells) > PAGE_BYTES - 4:
            return False
        children = [struct.unpack_from(">I", page, at)[0] for at in (_RIGHTMOST_CHILD_AT, *cells)]
        return all(1 < child <= len(self) for child in children)

    def rows(self, page: bytes, offsets: Iterable[int]) -> dict[int, Row]:
        """Return, by sequence, the rows whose cells begin at some of the offsets."""
        found = (self.row(page, at) for at in offsets)
        return {row[0]: row for row in found if row}

    def row(self, page: bytes, at: int) -> Row | None:
        """Read the row whose cell begins at an offset; None if there is no whole one."""
        try:
            size, at = _varint(page, at)
            sequence, at = _varint(page, at)
            if not 0 < size <= _LARGEST_RECORD_BYTES or sequence <= 0:
                return None
            if not _is_head_of_row(page, at):
                return None
            record, used = self._record(page, at, size)
            row = _row(sequence, record)
        except (IndexError, struct.error, ValueError):
            return None
        if row:
            self.overflowing |= used
        return row

    def _record(self, page: bytes, at: int, size: int) -> tuple[bytes, set[int]]:
        """Return a record of some size, and the pages on which it goes on."""
        local = _local_bytes(size)
        record, used = page[at : at + local], set[int]()
        if local < size:
            (number,) = struct.unpack_from(">I", page, at + local)
            while len(record) < size:
                if not 1 < number <= len(self) or number in used:
                    raise ValueError("the chain of overflow pages is broken")
                used.add(number)
                more = self[number]
                (number,) = struct.unpack_from(">I", more)
                record += more[4 : 4 + size - len(record)]
        return record, used


def _logged(log: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield pages of the write-ahead log, the newest of a page last, without an older log's."""
    salt = log[16:24]
    step = _FRAME_HEAD_BYTES + PAGE_BYTES
    for at in range(_WAL_HEAD_BYTES, len(log) - step + 1, step):
        if log[at + 8 : at + 16] != salt:
            return
        yield struct.unpack_from(">I", log, at)[0], log[at + _FRAME_HEAD_BYTES : at + step]


def _cells(page: bytes, head_bytes: int) -> list[int]:
    """Return the offsets of a page's cells."""
    (count,) = struct.unpack_from(">H", page, 3)
    most = (PAGE_BYTES - head_bytes) // 2
    return list(struct.unpack_from(f">{min(count, most)}H", page, head_bytes))


def _is_head_of_row(page: bytes, at: int) -> bool:
    """Whether a record may begin here: the sequence is no column, so its first one is a null."""
    return _COLUMNS < page[at] <= _COLUMNS * _VARINT_BYTES and page[at + 1] == 0


def _row(sequence: int, record: bytes) -> Row | None:
    head, at = _varint(record, 0)
    kinds = []
    while at < head:
        kind, at = _varint(record, at)
        kinds.append(kind)
    if len(kinds) != _COLUMNS or kinds[1] < _FIRST_TEXT or kinds[2] < _FIRST_BLOB:
        return None
    if kinds[1] % 2 == 0 or kinds[2] % 2 or kinds[3] not in _INTEGER_BYTES:
        return None
    topic_bytes = (kinds[1] - _FIRST_TEXT) // 2
    payload_bytes = (kinds[2] - _FIRST_BLOB) // 2
    topic, rest = record[head : head + topic_bytes], record[head + topic_bytes :]
    payload, number = rest[:payload_bytes], rest[payload_bytes:]
    length = _INTEGER_BYTES[kinds[3]]
    constant = {8: 0, 9: 1}
    checksum = constant.get(kinds[3], int.from_bytes(number[:length], signed=True))
    if zlib.crc32(payload, zlib.crc32(topic)) != checksum:
        return None
    return sequence, topic.decode(), payload, checksum


def _local_bytes(size: int) -> int:
    """How many of a record's bytes are on its leaf."""
    most = PAGE_BYTES - 35
    if size <= most:
        return size
    least = (PAGE_BYTES - 12) * 32 // 255 - 23
    fitting = least + (size - least) % (PAGE_BYTES - 4)
    return fitting if fitting <= most else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return SQLite's variable-length integer at an offset, and the offset after it."""
    value = 0
    for place in range(_VARINT_BYTES - 1):
        byte = data[at + place]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - its high bit says that it goes on
            return value, at + place + 1
    return value << 8 | data[at + _VARINT_BYTES - 1], at + _VARINT_BYTES
