"""The messages, as docs/messages.md describes them; JSON by a JSON library."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self

from camera.frames import Frame
from shared.printable import printable
from shared.vision.detections import Detection

LARGEST_MESSAGE_BYTES = 128 << 10  # AWS IoT Core takes no larger one.

# A named shadow has at most 8 KiB; settings that it desires need room, too.
LARGEST_HEARTBEAT_BYTES = 6 << 10

# A named shadow holds 8 KiB; an error's text must leave room for the rest.
_LONGEST_ERROR_CHARACTERS = 500


@dataclass(frozen=True)
class ModelIdentity:
    """Which model made a message; the digest is the artifact's SHA-256, lower-case hex."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True)
class ErrorReport:
    """One failure, and how many there were in a row with it."""

    type: str
    message: str
    at: str
    consecutive: int

    @classmethod
    def of(cls, error: Exception, consecutive: int) -> Self:
        """Describe an error that happened now; cut if it is long, control characters escaped."""
        text = printable(str(error), longest=_LONGEST_ERROR_CHARACTERS) or "no further description"
        if len(text) > _LONGEST_ERROR_CHARACTERS:
            text = f"{text[: _LONGEST_ERROR_CHARACTERS - 1]}…"
        return cls(type(error).__name__, text, timestamp(), consecutive)


def detection_message(  # noqa: PLR0913 - a message has this many parts
    *,
    thing: str,
    message_id: str,
    model: ModelIdentity,
    frame: Frame,
    inference_ms: float,
    detections: Sequence[Detection],
) -> bytes:
    """Return the message of a frame; boxes are shares of the image, 0 to 1.

    Of detections that do not fit into one message, the first ones are published and the others
    counted.

    Args:
        thing: the camera's thing name.
        message_id: of `MessageIds`.
        model: the model that found them.
        frame: the frame.
        inference_ms: milliseconds in the engine.
        detections: best first.
    """
    height_px, width_px = frame.image.shape[:2]
    found = [asdict(detection) for detection in detections]

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
                "detections": found[:count],
                "omitted": len(found) - count,
            }
        )

    message = with_first(len(found))
    if len(message) <= LARGEST_MESSAGE_BYTES:
        return message
    counts = range(1, len(found))
    fitting = bisect_right(counts, LARGEST_MESSAGE_BYTES, key=lambda count: len(with_first(count)))
    # A message without any would be one of a frame with nothing on it.
    return with_first(fitting) if fitting else message


def error_message(
    thing: str, message_id: str, model: ModelIdentity | None, error: ErrorReport
) -> bytes:
    """Say that a start, a frame or a hand-over failed."""
    return encode(
        {
            "id": message_id,
            "thing": thing,
            "model": asdict(model) if model else None,
            "error": asdict(error),
        }
    )


def dropped_message(thing: str, message_id: str, *, count: int, since: str, reason: str) -> bytes:
    """Say how many messages could not be kept, from when on, and why."""
    return encode(
        {
            "id": message_id,
            "thing": thing,
            "dropped": {"count": count, "since": since, "reason": reason},
        }
    )


def timestamp(moment: datetime | None = None) -> str:
    """ISO 8601 in UTC with milliseconds and a Z; now unless a moment is given."""
    moment = (moment or datetime.now(UTC)).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def encode(document: Mapping[str, Any]) -> bytes:
    """JSON in UTF-8; what UTF-8 cannot say, as half a character in a file's name, becomes '?'.

    Raises:
        ValueError: a number is not finite; JSON has no word for it.
    """
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
