"""The messages, as docs/messages.md describes them; JSON by a JSON library."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from camera.sources import Frame
from vision.detections import Detection


@dataclass(frozen=True)
class ModelIdentity:
    """Which model made a message."""

    name: str
    version: str
    digest: str


class FrameIds:
    """Ids that no other frame has: a random part per run, then a number."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(6)
        self._count = 0

    def next(self) -> str:
        """Return the next id."""
        self._count += 1
        return f"{self._run}-{self._count:08d}"


def detection_message(  # noqa: PLR0913 - a message has this many parts
    *,
    thing: str,
    model: ModelIdentity,
    frame_id: str,
    frame: Frame,
    inference_ms: float,
    detections: Sequence[Detection],
) -> bytes:
    """Say what is on a frame; boxes are shares of the picture, 0 to 1."""
    height_px, width_px = frame.picture.shape[:2]
    return _json(
        {
            "thing": thing,
            "model": asdict(model),
            "frame": {
                "id": frame_id,
                "captured_at": timestamp(frame.captured_at),
                "source": frame.source,
                "width_px": width_px,
                "height_px": height_px,
            },
            "inference_ms": round(inference_ms, 3),
            "detections": [asdict(detection) for detection in detections],
        }
    )


def error_message(thing: str, model: ModelIdentity | None, error: dict[str, Any]) -> bytes:
    """Say that a frame, a start or a hand-over failed."""
    return _json({"thing": thing, "model": asdict(model) if model else None, "error": error})


def timestamp(moment: datetime | None = None) -> str:
    """ISO 8601, UTC, milliseconds; now unless a moment is given."""
    moment = moment or datetime.now(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
