"""Labels from the files that people have: label maps, lines of text, JSON."""

import json
import re
from pathlib import Path
from typing import Any

from model_tools.errors import SourceError
from vision.errors import LabelMapError
from vision.labels import parse_label_map, write_label_map

_LARGEST_BYTES = 1 << 20
_ID = re.compile(r"0|[1-9][0-9]{0,8}")


def read_labels(file: Path) -> dict[int, str]:
    """Return names by id, from 1.

    `.pbtxt`: a StringIntLabelMap. `.json`: a list of names, or an object from id to name.
    Anything else: one name per line, the first has id 1.

    Raises:
        SourceError: it cannot be read, or is not what its name says.
        vision.errors.LabelMapError: an id or a name that no camera may send.
    """
    try:
        if file.stat().st_size > _LARGEST_BYTES:
            raise SourceError(f"{file} is larger than {_LARGEST_BYTES} bytes")
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is not UTF-8: {error.reason}") from None
    try:
        if file.suffix == ".pbtxt":
            return parse_label_map(text)
        labels = _from_json(text) if file.suffix == ".json" else _from_lines(text)
        # The same rules for every format: ids from 1, printable names.
        return parse_label_map(write_label_map(labels))
    except (LabelMapError, SourceError) as error:
        raise type(error)(f"{file}: {error}") from None


def _from_lines(text: str) -> dict[int, str]:
    lines = text.rstrip().splitlines()
    return {number: line.strip() for number, line in enumerate(lines, start=1)}


def _from_json(text: str) -> dict[int, str]:
    try:
        document = json.loads(text, object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"not JSON: {error}") from None
    if isinstance(document, list):
        document = {str(number): name for number, name in enumerate(document, start=1)}
    if not isinstance(document, dict) or not all(isinstance(one, str) for one in document.values()):
        raise SourceError('expected ["name", …] or {"1": "name", …}')
    wrong = [key for key in document if not _ID.fullmatch(key)]
    if wrong:
        raise SourceError(f"the id {wrong[0][:40]!r} is no number from 1")
    return {int(key): name for key, name in document.items()}


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise SourceError("an id is there twice")
    return dict(pairs)
