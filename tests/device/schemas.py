"""JSON Schemas of the messages that docs/messages.md describes."""

from typing import Any


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

_DURATION = {"type": "number", "minimum": 0}

HEARTBEAT = _object(
    state=_object(
        reported=_object(
            status={"enum": ["starting", "running", "failing", "stopped"]},
            installation={"type": "null"},
            model=_nullable(_MODEL),
            function=_nullable(_TEXT),
            engine=_TEXT,
            engine_fallback=_nullable(_TEXT),
            omitted=_nullable({"type": "array", "items": _TEXT}),
            frames=_COUNT,
            detections=_COUNT,
            frames_per_second={"type": "number", "minimum": 0},
            latency_ms=_nullable(_object(p50=_DURATION, p95=_DURATION)),
            last_frame_at=_nullable(_MOMENT),
            errors=_COUNT,
            last_error=_nullable(_ERROR),
            picture={"enum": ["ok", "black", "frozen"]},
            dropped=_object(frames=_COUNT, messages=_COUNT),
            spool=_object(messages=_COUNT, bytes=_COUNT, fill=_SHARE, corrupt=_COUNT),
            disk=_nullable(_object(free_bytes=_COUNT, total_bytes=_COUNT)),
            memory=_nullable(_object(available_bytes=_COUNT, total_bytes=_COUNT)),
            temperature_celsius=_nullable({"type": "number"}),
            drift=_nullable(
                _object(
                    frames=_COUNT,
                    brightness=_SHARE,
                    sharpness=_SHARE,
                    score=_SHARE,
                    labels=_SHARE,
                    moved={
                        "type": "array",
                        "items": {"enum": ["brightness", "sharpness", "score", "labels"]},
                    },
                )
            ),
            crops=_nullable(_object(files=_COUNT, bytes=_COUNT, skipped=_COUNT)),
            settings=_object(
                threshold=_SHARE,
                frame_interval_seconds=_DURATION,
                labels={"type": "array", "items": _TEXT},
                publish_on_change={"type": "boolean"},
                label_interval_seconds=_DURATION,
                drift_threshold=_SHARE,
                crop_scores={"type": "array", "maxItems": 2, "items": _SHARE},
                crop_files=_COUNT,
                crop_mib=_COUNT,
            ),
            settings_refused=_nullable(_TEXT),
            uptime_seconds=_DURATION,
            started_at=_MOMENT,
            heartbeat_at=_MOMENT,
            heartbeat_interval_seconds={"type": "number", "exclusiveMinimum": 0},
        )
    )
)


# While a generic camera installs its Python environment: other fields remain as they were.
INSTALLATION_HEARTBEAT = _object(
    state=_object(
        reported=_object(
            status={"enum": ["installing", "failing"]},
            installation=_nullable(
                _object(
                    percent={"type": "integer", "minimum": 0, "maximum": 99},
                    seconds=_COUNT,
                )
            ),
            model={"type": "null"},
            function=_nullable(_TEXT),
            frames={"const": 0},
            detections={"const": 0},
            frames_per_second={"const": 0},
            latency_ms={"type": "null"},
            last_frame_at={"type": "null"},
            errors=_COUNT,
            last_error=_nullable(_ERROR),
            uptime_seconds=_DURATION,
            started_at=_MOMENT,
            heartbeat_at=_MOMENT,
            heartbeat_interval_seconds={"type": "number", "exclusiveMinimum": 0},
        )
    )
)


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
