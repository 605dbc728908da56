"""The heartbeat: the reported state of a thing's named shadow `deeplens`.

This module is the only definition of the heartbeat. The camera and the installation write it; the
gate, the metrics of the fleet and the commands read it. `tools/message_reference.py` generates the
tables of docs/messages.md from this module.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

from shared.messages.wire import (
    AMOUNT,
    BOOLEAN,
    COUNT,
    DIGEST,
    POSITIVE_AMOUNT,
    POSITIVE_COUNT,
    SHARE,
    SIGNED_NUMBER,
    TEXT,
    TIME,
    list_of,
    nullable,
    one_of,
    part,
    read,
    wire,
    written,
)

SHADOW = "deeplens"


@dataclass(frozen=True)
class ModelIdentity:
    """The model that runs or that created a message."""

    name: str = wire(TEXT, "as in the artifact's manifest", "")
    version: str = wire(TEXT, "`x.y.z`, as in the artifact's manifest", "")
    digest: str = wire(DIGEST, "the artifact's SHA-256, 64 lower-case hex digits", "")


@dataclass(frozen=True)
class ErrorReport:
    """The last error, and the number of consecutive errors up to and including this error."""

    type: str = wire(TEXT, "as in the error message", "")
    message: str = wire(TEXT, "as in the error message", "")
    at: str = wire(TIME, "as in the error message", "")
    consecutive: int = wire(POSITIVE_COUNT, "as in the error message", 0)


@dataclass(frozen=True)
class InstallationProgress:
    """The progress of the installation of the Python environment."""

    percent: int | None = wire(COUNT, "share of the environment that is on disk, 0 to 99")
    seconds: int | None = wire(COUNT, "seconds since the installation began")


@dataclass(frozen=True)
class Latency:
    """Percentiles of the latency, in milliseconds."""

    p50: float | None = wire(AMOUNT, "milliseconds: median")
    p95: float | None = wire(AMOUNT, "milliseconds: 95th percentile")


@dataclass(frozen=True)
class DroppedCounts:
    """The numbers of frames and messages that the camera dropped."""

    frames: int | None = wire(COUNT, "frames that were replaced by a newer one before inference")
    messages: int | None = wire(COUNT, "messages that could not be stored on disk")


@dataclass(frozen=True)
class SpoolState:
    """The spool: unsent messages on disk."""

    messages: int | None = wire(COUNT, "messages that Greengrass has not accepted yet")
    bytes: int | None = wire(COUNT, "size of the messages in bytes")
    fill: float | None = wire(SHARE, "share of the limit of the spool, 0 to 1")
    corrupt: int | None = wire(
        COUNT,
        "messages since the start that were lost because of damage on the disk, see "
        "[reliability.md](reliability.md#a-damaged-spool)",
    )


@dataclass(frozen=True)
class DiskSpace:
    """The space in the file system of the artifacts."""

    free_bytes: int | None = wire(COUNT, "bytes free for users other than root")
    total_bytes: int | None = wire(COUNT, "size of the file system in bytes")


@dataclass(frozen=True)
class MemorySpace:
    """The memory of the device."""

    available_bytes: int | None = wire(
        COUNT, "bytes that processes can still allocate, caches included"
    )
    total_bytes: int | None = wire(COUNT, "size of the memory in bytes")


@dataclass(frozen=True)
class DriftReport:
    """Distances of the frames from the artifact's baseline."""

    frames: int | None = wire(COUNT, "sampled frames since the model was loaded")
    brightness: float | None = wire(SHARE, "distance of the brightness from the baseline, 0 to 1")
    sharpness: float | None = wire(SHARE, "distance of the sharpness, 0 to 1")
    score: float | None = wire(SHARE, "distance of the best scores, 0 to 1")
    labels: float | None = wire(SHARE, "distance of the distribution of labels, 0 to 1")
    moved: tuple[str, ...] = wire(
        list_of(one_of("brightness", "sharpness", "score", "labels")),
        "the features whose distance exceeds the threshold",
        (),
    )


@dataclass(frozen=True)
class CropCounts:
    """The number and size of the crops of uncertain detections on the device."""

    files: int | None = wire(COUNT, "stored crops after the last write")
    bytes: int | None = wire(COUNT, "size of the crops in bytes")
    skipped: int | None = wire(
        COUNT,
        "crops since the start that were not stored: the disk is nearly full, cannot be written, "
        "or is too slow",
    )


@dataclass(frozen=True)
class ReportedSettings:
    """The current dynamic settings."""

    threshold: float | None = wire(SHARE, "lowest score, 0 to 1")
    frame_interval_seconds: float | None = wire(AMOUNT, "seconds from frame to frame")
    labels: tuple[str, ...] = wire(list_of(TEXT), "labels of interest; empty means all", ())
    publish_on_change: bool | None = wire(BOOLEAN, "true if only changes are published")
    label_interval_seconds: float | None = wire(
        AMOUNT, "seconds before the same label is published again"
    )
    drift_threshold: float | None = wire(
        SHARE, "distance from which a feature has moved, 0 to 1; 0: nothing is compared"
    )
    crop_scores: tuple[float, ...] = wire(
        list_of(SHARE, maxItems=2), "range of scores of stored crops; empty: none are stored", ()
    )
    crop_files: int | None = wire(COUNT, "maximum number of crops")
    crop_mib: int | None = wire(COUNT, "maximum size of all crops in MiB")


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """The state that a camera reports; absent, null and invalid values are None."""

    status: str | None = wire(
        one_of("starting", "running", "failing", "stopped"),
        "`starting` until the first frame or failure, then `running` or `failing`, at the end "
        "`stopped`; `installing` [before that](#heartbeat-of-an-installation)",
    )
    installation: InstallationProgress | None = wire(
        nullable(part(InstallationProgress)), "progress; null if the installation failed"
    )
    model: ModelIdentity | None = wire(
        nullable(part(ModelIdentity)), "the model that runs; null until it is loaded"
    )
    function: str | None = wire(
        nullable(TEXT), "ARN of the published function version; null outside Greengrass"
    )
    engine: str | None = wire(
        TEXT,
        "the engine that runs the model: `openvino`, `openvino-gpu`, `tensorflow` or `awscam`",
    )
    engine_fallback: str | None = wire(
        nullable(TEXT),
        "reason for using the CPU although `auto` found a GPU: the GPU returned other results",
    )
    omitted: tuple[str, ...] | None = wire(
        nullable(list_of(TEXT)),
        "members of this table that are null here because the heartbeat would exceed 6 KiB (a "
        "shadow has at most 8 KiB); the largest first",
    )
    frames: int | None = wire(COUNT, "processed frames since the start, with or without detections")
    detections: int | None = wire(
        COUNT,
        "detections on these frames with a label of interest and a score of at least the "
        "threshold, sent or not",
    )
    frames_per_second: float | None = wire(
        AMOUNT, "over the last 30 s, or since the model was loaded"
    )
    latency_ms: Latency | None = wire(
        nullable(part(Latency)),
        "from the capture to the decision, over the last 30 s; null without a frame",
    )
    last_frame_at: str | None = wire(nullable(TIME), "time of the last of these frames")
    errors: int | None = wire(COUNT, "failures since the start, including repeated ones")
    last_error: ErrorReport | None = wire(
        nullable(part(ErrorReport)), "the last failure since the start, also if it has ended"
    )
    picture: str | None = wire(one_of("ok", "black", "frozen"), "`ok`, `black` or `frozen`")
    dropped: DroppedCounts | None = wire(part(DroppedCounts), "since the start")
    spool: SpoolState | None = wire(part(SpoolState), "the messages on disk")
    disk: DiskSpace | None = wire(
        nullable(part(DiskSpace)),
        "the file system that has the artifacts; null if it cannot be queried",
    )
    memory: MemorySpace | None = wire(
        nullable(part(MemorySpace)), "the device's memory; null if the device does not report it"
    )
    temperature_celsius: float | None = wire(
        nullable(SIGNED_NUMBER), "the hottest zone of the machine; null if it measures none"
    )
    drift: DriftReport | None = wire(
        nullable(part(DriftReport)),
        "distance of the frames from the artifact's baseline, see [camera.md](camera.md#drift); "
        "null without a baseline, if it is off, and for the first 30 sampled frames",
    )
    crops: CropCounts | None = wire(
        nullable(part(CropCounts)),
        "crops of uncertain detections on the device, see "
        "[camera.md](camera.md#crops-of-uncertain-detections); null if they are off",
    )
    settings: ReportedSettings | None = wire(
        part(ReportedSettings),
        "the current settings, see [camera.md](camera.md#settings-without-a-restart)",
    )
    settings_refused: str | None = wire(
        nullable(TEXT),
        "reason for rejecting the newest desired settings; null if they apply",
    )
    uptime_seconds: float | None = wire(AMOUNT, "seconds since the function started")
    started_at: str | None = wire(TIME, "time at which the function started")
    heartbeat_at: str | None = wire(TIME, "time at which this heartbeat was written")
    heartbeat_interval_seconds: float | None = wire(
        POSITIVE_AMOUNT, "longest time in seconds until the next heartbeat"
    )

    def to_shadow(self, members: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the document that updates the shadow.

        Args:
            members: the fields to write; the shadow keeps the other fields. Default: all fields.
        """
        names = FIELDS if members is None else tuple(members)
        return {"state": {"reported": {name: written(getattr(self, name)) for name in names}}}

    @classmethod
    def from_shadow(cls, document: Any) -> Self | None:
        """Return the heartbeat of a shadow, or None if no camera has reported a heartbeat."""
        state = document.get("state") if isinstance(document, dict) else None
        reported = state.get("reported") if isinstance(state, dict) else None
        return cls.from_reported(reported) if isinstance(reported, dict) and reported else None

    @classmethod
    def from_reported(cls, reported: Any) -> Self:
        """Return the heartbeat of a reported state; invalid fields have their defaults."""
        return read(cls, reported)


FIELDS = tuple(entry.name for entry in fields(Heartbeat))

# The fields that an installation updates; the other fields keep their previous values.
INSTALLATION_FIELDS = (
    "status",
    "installation",
    "model",
    "function",
    "frames",
    "detections",
    "frames_per_second",
    "latency_ms",
    "last_frame_at",
    "errors",
    "last_error",
    "uptime_seconds",
    "started_at",
    "heartbeat_at",
    "heartbeat_interval_seconds",
)


def timestamp(moment: datetime | None = None) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds and a Z; default: the current time."""
    moment = (moment or datetime.now(UTC)).astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
