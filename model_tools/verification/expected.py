"""What is known to be on pictures, from a file."""

from pathlib import Path
from typing import Any

from model_tools.errors import SourceError
from model_tools.regular_files import read_at_most
from shared.artifact.strict_json import parse_json
from shared.vision.detections import Box, Detection

Expected = dict[str, list[Detection]]

_LARGEST_BYTES = 64 << 20
_FORMS = '{"kitten.jpg": "cat"}, or what `deeplens model predict --json` prints'


def read_expected(file: Path) -> Expected:
    """Return the detections by a picture's file name.

    Raises:
        SourceError: the file cannot be read, or has another form.
    """
    try:
        document = parse_json(read_at_most(file, _LARGEST_BYTES))
        if isinstance(document, dict):
            return {name: [Detection(_text(label), 1.0)] for name, label in document.items()}
        return {
            one["picture"]: [_detection(each) for each in one["detections"]] for one in document
        }
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file}: expected {_FORMS}: {error!r}") from None


def _detection(document: dict[str, Any]) -> Detection:
    box = document["box"]
    edges = Box(**{edge: float(value) for edge, value in box.items()}) if box else None
    return Detection(_text(document["label"]), float(document["score"]), edges)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the label {value!r} is no text")
    return value
