"""The messages of a camera, which docs/messages.md describes."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from camera.frames import Frame
from shared.messages.heartbeat import ErrorReport, ModelIdentity, timestamp
from shared.printable import printable
from shared.vision.detections import Detection

# AWS IoT Core rejects larger messages.
LARGEST_MESSAGE_BYTES = 128 << 10

# AWS IoT limits a named shadow to 8 KiB, including the desired settings.
LARGEST_HEARTBEAT_BYTES = 6 << 10

# Limits the size of an error in the heartbeat.
_LONGEST_ERROR_CHARACTERS = 500


def error_report(error: Exception, consecutive: int) -> ErrorReport:
    """Return the report of an error at the current time, with a short, printable text."""
    text = printable(str(error), longest=_LONGEST_ERROR_CHARACTERS) or "no further description"
    if len(text) > _LONGEST_ERROR_CHARACTERS:
        text = f"{text[: _LONGEST_ERROR_CHARACTERS - 1]}…"
    return ErrorReport(type(error).__name__, text, timestamp(), consecutive)


def detection_message(  # noqa: PLR0913 - parts of a message
    *,
    thing: str,
    message_id: str,
    model: ModelIdentity,
    frame: Frame,
    inference_ms: float,
    detections: Sequence[Detection],
) -> bytes:
    """Return the message of a frame; boxes are shares of the image, 0 to 1.

    If the detections do not fit into one message, the message contains only the first detections
    and the number of omitted detections.

    Args:
        thing: the camera's thing name.
        message_id: an id from `MessageIds`.
        model: the model that returned the detections.
        frame: the frame.
        inference_ms: milliseconds in the engine.
        detections: detections, best first.
    """
    height_px, width_px = frame.image.shape[:2]
    documents = [asdict(detection) for detection in detections]

    def with_first(count: int) -> bytes:
        return encode(
            {
                "id": message_id,
                "thing": thing,
                "model": asdict(model),
                "frame": {
                    "captured_at": timestamp(frame.captured_at),
                    "source": frame.source,
                    "width_px": width_px,
                    "height_px": height_px,
                },
                "inference_ms": round(inference_ms, 3),
                "detections": documents[:count],
                "omitted": len(documents) - count,
            }
        )

    message = with_first(len(documents))
    if len(message) <= LARGEST_MESSAGE_BYTES:
        return message
    counts = range(1, len(documents))
    fitting = bisect_right(counts, LARGEST_MESSAGE_BYTES, key=lambda count: len(with_first(count)))
    # A message without detections would describe an empty frame, so the long message remains.
    return with_first(fitting) if fitting else message


def error_message(
    thing: str, message_id: str, model: ModelIdentity | None, error: ErrorReport
) -> bytes:
    """Return the message about a failed start, frame or delivery."""
    return encode(
        {
            "id": message_id,
            "thing": thing,
            "model": asdict(model) if model else None,
            "error": asdict(error),
        }
    )


def dropped_message(thing: str, message_id: str, *, count: int, since: str, reason: str) -> bytes:
    """Return the message about dropped messages: number, time of the first drop, and reason."""
    return encode(
        {
            "id": message_id,
            "thing": thing,
            "dropped": {"count": count, "since": since, "reason": reason},
        }
    )


def encode(document: Mapping[str, Any]) -> bytes:
    """Encode a document as JSON in UTF-8; replace surrogates, for example in file names, by '?'.

    Raises:
        ValueError: a number is not finite, so JSON cannot represent it.
    """
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
