"""Read labels from label maps, text files and JSON.

A file numbers its labels from 1, or from 0 as TensorFlow numbers classes. `read_labels` returns the
numbers of the file, and `numbered_from_one` converts them to an artifact's ids. In an artifact, the
label of a classifier's output i has the id i + 1.
"""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from model_tools.errors import SourceError
from model_tools.regular_files import read_at_most
from shared.artifact.errors import LabelMapError
from shared.artifact.labels import checked_labels, parse_label_map
from shared.artifact.manifest import OBJECT_DETECTION
from shared.artifact.strict_json import parse_json

_LARGEST_BYTES = 4 << 20
_ID = re.compile(r"0|[1-9][0-9]{0,8}")
_LINE_END = re.compile(r"\r?\n")
# Examples: "0 With Mask" (Teachable Machine), "0: cat", "0,cat".
_NUMBERED_LINE = re.compile(r"([0-9]{1,9})(?:[:,][ \t]*|[ \t]+)(\S.*)")
_LABEL_MAP = re.compile(r"\s*item\s*\{")
# Names of a class 0 that is the background, in TensorFlow and TensorFlow Lite.
_BACKGROUNDS = frozenset({"background", "???"})

_LINE_SUFFIXES = frozenset({"", ".txt", ".names", ".labels"})
_FORMATS = (
    "a label map (.pbtxt), JSON (.json), or text with one name per line "
    f"({', '.join(sorted(_LINE_SUFFIXES - {''}))})"
)
_JSON_FORMS = (
    '["name", …], {"1": "name", …}, {"name": 0, …} (Keras\' class_indices) or '
    '{"0": ["n01440764", "name"], …} (imagenet_class_index.json)'
)


def read_labels(file: Path) -> dict[int, str]:
    """Return names by id, with the numbers of the file: from 1 or from 0.

    `.pbtxt`: a StringIntLabelMap. `.json`: a list of names, an object from id to name, Keras'
    `class_indices`, or `imagenet_class_index.json`. `.txt`, `.names`, `.labels`: one name per
    line, or a number and a name per line. Without numbers the first name has id 1, or 0 if it is
    `background` or `???`.

    Raises:
        SourceError: the file cannot be read, or is in another format.
        shared.artifact.errors.LabelMapError: an id or a name is not valid for cameras.
    """
    suffix = file.suffix.lower()
    if suffix not in _LINE_SUFFIXES | {".pbtxt", ".json"}:
        raise SourceError(f"{file}: {suffix} is not a format of labels: expected {_FORMATS}")
    try:
        # `read_text` would treat a lone "\r" as the end of a line.
        text = read_at_most(file, _LARGEST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is not UTF-8: {error.reason}") from None
    try:
        if suffix == ".pbtxt":
            return parse_label_map(text, least_id=0)
        labels = _from_json(text) if suffix == ".json" else _from_lines(text)
        return checked_labels(labels, least_id=0)
    except (LabelMapError, SourceError) as error:
        raise type(error)(f"{file}: {error}") from None


def numbered_from_one(labels: dict[int, str], task: str) -> dict[int, str]:
    """Return labels with the ids of an artifact, from 1.

    If a classifier's labels start at 0, each id increases by one. A detector's class 0 is the
    background, which is not a detection, so its label is removed.

    Args:
        labels: names by id, from 0 or 1.
        task: a task of `shared.artifact.manifest`.

    Raises:
        SourceError: a detector's label 0 is an object, or its only label is the background.
    """
    if 0 not in labels:
        return labels
    if task != OBJECT_DETECTION:
        return {identifier + 1: name for identifier, name in labels.items()}
    if labels[0].lower() not in _BACKGROUNDS:
        raise SourceError(
            f"label 0 is {labels[0]!r}; a detector numbers its classes from 1, and only the "
            "background has the number 0: add 1 to every number in the label file"
        )
    objects = {identifier: name for identifier, name in labels.items() if identifier}
    if not objects:
        raise SourceError(f"the only label is {labels[0]!r}; a detector needs one for an object")
    return objects


def _from_lines(text: str) -> dict[int, str]:
    if _LABEL_MAP.match(text):
        raise SourceError("contains a label map: rename the file to end with .pbtxt")
    if text.lstrip()[:1] in {"{", "["} and _is_json(text):
        raise SourceError("contains JSON: rename the file to end with .json")
    content = text.rstrip()
    lines = [line.strip() for line in _LINE_END.split(content)] if content else []
    return _from_numbered_lines(lines) or _numbered(lines)


def _from_numbered_lines(lines: list[str]) -> dict[int, str] | None:
    """Return labels by the numbers at the start of the lines, or None if these are parts of names.

    Numbers are ids if they ascend from 0 or 1, and if the rest of each line differs. In "1 cent",
    "2 cent", "5 cent", the rests are equal, so the numbers are parts of the names. If no number is
    missing, a few equal rests are accepted (ImageNet has two classes with the name "crane").
    """
    matches = [match for line in lines if (match := _NUMBERED_LINE.fullmatch(line))]
    if not lines or len(matches) < len(lines):
        return None
    ids, names = [int(match[1]) for match in matches], [match[2] for match in matches]
    if ids[0] not in {0, 1} or not all(low < high for low, high in pairwise(ids)):
        return None
    is_complete = ids[-1] - ids[0] == len(ids) - 1
    least_different = len(ids) // 2 + 1 if is_complete else len(ids)
    return dict(zip(ids, names, strict=True)) if len(set(names)) >= least_different else None


def _numbered(names: list[str]) -> dict[int, str]:
    first = 0 if names and names[0].lower() in _BACKGROUNDS else 1
    return dict(enumerate(names, start=first))


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def _from_json(text: str) -> dict[int, str]:
    try:
        document = parse_json(text)
    except ValueError as error:
        raise SourceError(f"not JSON: {error}") from None
    if isinstance(document, list) and _all_strings(document):
        return _numbered(document)
    if not isinstance(document, dict):
        raise SourceError(f"expected {_JSON_FORMS}")
    values = list(document.values())
    if values and all(type(value) is int for value in values):
        return _from_class_indices(document)
    if values and all(_is_synset(value) for value in values):
        document = {key: name for key, (_, name) in document.items()}
    elif not _all_strings(values):
        raise SourceError(f"expected {_JSON_FORMS}")
    wrong = [key for key in document if not _ID.fullmatch(key)]
    if wrong:
        raise SourceError(f"{wrong[0][:40]!r} is not a valid id: expected a number from 0 or 1")
    return {int(key): name for key, name in document.items()}


def _from_class_indices(document: dict[str, int]) -> dict[int, str]:
    labels = {index: name for name, index in document.items()}
    if len(labels) < len(document):
        raise SourceError("two names have the same index")
    wrong = [index for index in labels if not _ID.fullmatch(str(index))]
    if wrong:
        raise SourceError(f"{str(wrong[0])[:40]} is not a valid index: expected a number from 0")
    return labels


def _is_synset(value: Any) -> bool:
    """Return whether a value is an entry of imagenet_class_index.json: a WordNet id and a name."""
    return isinstance(value, list) and len(value) == len(("id", "name")) and _all_strings(value)


def _all_strings(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
