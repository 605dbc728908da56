"""JSON Schemas of the messages that docs/messages.md describes."""

from typing import Any

from tools import message_reference


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TEXT = {"type": "string", "minLength": 1}
_COUNT = {"type": "integer", "minimum": 0}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
_MODEL = _object(name=_TEXT, version=_TEXT, digest={"type": "string", "pattern": "^[0-9a-f]{64}$"})
_ERROR = _object(
    type=_TEXT, message=_TEXT, at=_MOMENT, consecutive={"type": "integer", "minimum": 1}
)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


_ID = {"type": "string", "pattern": r"^[0-9a-f]{12}-[1-9]\d*$"}

DETECTION_MESSAGE = _object(
    id=_ID,
    thing=_TEXT,
    model=_MODEL,
    frame=_object(
        captured_at=_MOMENT,
        source=_TEXT,
        width_px={"type": "integer", "minimum": 1},
        height_px={"type": "integer", "minimum": 1},
    ),
    inference_ms={"type": "number", "minimum": 0},
    detections={
        "type": "array",
        "items": _object(
            label=_TEXT,
            score=_SHARE,
            box=_object(ymin=_SHARE, xmin=_SHARE, ymax=_SHARE, xmax=_SHARE),
        ),
    },
    omitted=_COUNT,
)

ERROR_MESSAGE = _object(id=_ID, thing=_TEXT, model=_nullable(_MODEL), error=_ERROR)

DROPPED_MESSAGE = _object(
    id=_ID,
    thing=_TEXT,
    dropped=_object(count={"type": "integer", "minimum": 1}, since=_MOMENT, reason=_TEXT),
)

HEARTBEAT = message_reference.CAMERA.schema()
INSTALLATION_HEARTBEAT = message_reference.INSTALLATION.schema()


def fields(schema: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the path of each field: `frame.id`, `detections[].box.ymin`."""
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    paths = [prefix] if prefix else []
    if schema.get("type") == "array":
        schema, prefix = schema["items"], f"{prefix}[]"
    for name, child in schema.get("properties", {}).items():
        paths += fields(child, f"{prefix}.{name}" if prefix else name)
    return paths
