"""`[monitoring]`: alarms and their recipients, and the retention of messages."""

from typing import Annotated

from pydantic import Field

from deeplens.config.base import ConfigSection, LogRetentionDays

EmailAddress = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$", max_length=254)]


class MonitoringConfig(ConfigSection):
    """The alarms of one environment, their recipients, and the retention of messages."""

    enabled: Annotated[
        bool, Field(description="whether the environment has a Monitoring stack")
    ] = True
    notify: Annotated[
        tuple[EmailAddress, ...],
        Field(
            strict=False,
            max_length=50,
            description="e-mail addresses that receive alarms; each must confirm once",
        ),
    ] = ()
    log_retention_days: Annotated[
        LogRetentionDays,
        Field(description="retention of detections, errors and heartbeats in CloudWatch Logs"),
    ] = 30
    no_heartbeat_minutes: Annotated[
        int,
        Field(
            ge=1, le=1440, description="alarm: a camera has not published a heartbeat for this time"
        ),
    ] = 5
    latency_p95_ms: Annotated[
        float,
        Field(
            gt=0,
            le=3_600_000,
            strict=False,
            description="alarm: the 95th percentile of a camera's latency, from image to "
            "decision, is higher",
        ),
    ] = 1000.0
    failing_share: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            strict=False,
            description="alarm: more than this share of the heartbeats has the status `failing`",
        ),
    ] = 0.1
    spool_fill_share: Annotated[
        float,
        Field(
            gt=0,
            lt=1,
            strict=False,
            description="alarm: a larger share of a camera's spool of unsent messages is in use",
        ),
    ] = 0.8
    free_disk_mib: Annotated[
        int | None,
        Field(
            ge=1,
            le=16 << 20,
            description="alarm: a camera has less free disk, in MiB; without it, twice the size of "
            "the pinned model, packed and unpacked, plus five times the runtime, at least 256",
        ),
    ] = None
