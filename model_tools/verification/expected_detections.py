"""Read the expected detections of images from a file."""

from pathlib import Path
from typing import Any

from model_tools.errors import SourceError
from model_tools.regular_files import read_at_most
from shared.artifact.strict_json import parse_json
from shared.vision.detections import Box, Detection

# The keys are file names of images.
ExpectedDetections = dict[str, list[Detection]]

_LARGEST_BYTES = 64 << 20
_FORMATS = '{"kitten.jpg": "cat"}, or the output of `deeplens model predict --json`'


def read_expected(file: Path) -> ExpectedDetections:
    """Return the expected detections by an image's file name.

    Raises:
        SourceError: the file cannot be read, or is in another format.
    """
    try:
        document = parse_json(read_at_most(file, _LARGEST_BYTES))
        if isinstance(document, dict):
            return {name: [Detection(_label(label), 1.0)] for name, label in document.items()}
        return {
            prediction["picture"]: [_detection(detection) for detection in prediction["detections"]]
            for prediction in document
        }
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file}: expected {_FORMATS}: {error!r}") from None


def _detection(document: dict[str, Any]) -> Detection:
    box = document["box"]
    edges = Box(**{edge: float(value) for edge, value in box.items()}) if box else None
    return Detection(_label(document["label"]), float(document["score"]), edges)


def _label(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the label {value!r} is not a string")
    return value
