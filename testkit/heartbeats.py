"""Heartbeats as the cloud receives them, for tests of the gate and for benchmarks."""

from datetime import UTC, datetime
from typing import Any

from shared.fleet.device_state import ReceivedHeartbeat
from shared.messages.heartbeat import DiskSpace, ErrorReport, Heartbeat, ModelIdentity


def received_heartbeat(  # noqa: PLR0913 - each parameter is a field that the gate reads
    thing: str,
    received_at: float,
    version: int,
    *,
    status: str,
    model_digest: str | None = None,
    function_arn: str | None = None,
    frames: int = 0,
    detections: int = 0,
    frames_per_second: float = 0.0,
    last_error: str | None = None,
    interval_seconds: float = 60.0,
    uptime_seconds: float = 0.0,
    disk_free_bytes: int | None = None,
) -> ReceivedHeartbeat:
    """Return a heartbeat that the cloud received at `received_at`, in seconds since the epoch.

    With `uptime_seconds=0`, the heartbeat has no start time.
    """
    started_at = _time(received_at - uptime_seconds) if uptime_seconds else None
    heartbeat = Heartbeat(
        status=status,
        model=ModelIdentity("shapes", "1.0.0", model_digest) if model_digest else None,
        function=function_arn,
        frames=frames,
        detections=detections,
        frames_per_second=frames_per_second,
        last_error=ErrorReport("Error", last_error) if last_error else None,
        disk=DiskSpace(free_bytes=disk_free_bytes) if disk_free_bytes is not None else None,
        started_at=started_at,
        heartbeat_at=_time(received_at),
        heartbeat_interval_seconds=interval_seconds,
    )
    return ReceivedHeartbeat(thing, received_at, version, heartbeat)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def with_changes(heartbeat: ReceivedHeartbeat, **changes: Any) -> ReceivedHeartbeat:
    """Return a changed copy of a heartbeat; `changes` are arguments of `received_heartbeat`."""
    arguments = {
        "thing": heartbeat.thing,
        "received_at": heartbeat.received_at,
        "version": heartbeat.version,
        "status": heartbeat.status,
        "model_digest": heartbeat.model_digest,
        "function_arn": heartbeat.function_arn,
        "frames": heartbeat.frames,
        "detections": heartbeat.detections,
        "frames_per_second": heartbeat.frames_per_second,
        "last_error": heartbeat.last_error,
        "interval_seconds": heartbeat.reported.heartbeat_interval_seconds,
        "uptime_seconds": heartbeat.uptime_seconds,
        "disk_free_bytes": heartbeat.disk_free_bytes,
    }
    return received_heartbeat(**{**arguments, **changes})
