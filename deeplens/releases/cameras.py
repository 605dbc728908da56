"""What the cameras of a fleet say of themselves now: the shadow `deeplens` of each thing.

`docs/messages.md` has the heartbeat's form. Times are the cloud's.
"""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from shared.printable import printable

_SHADOW = "deeplens"
# A camera that missed this many heartbeats in a row is silent.
_MISSED_HEARTBEATS = 3
_LONGEST_TEXT = 1000
_LARGEST_NUMBER = 2.0**53


@dataclass(frozen=True)
class Camera:
    """The last heartbeat of one camera; `figures` is all that it reported."""

    thing: str
    digest: str | None
    function: str | None
    status: str
    frames: int
    is_alive: bool
    figures: dict[str, Any]

    def complaint(self, digest: str, function: str) -> str:
        """Say why it does not run a release; empty when it does."""
        if self.digest != digest:
            return f"{self.thing} runs {str(self.digest)[:12]}…"
        if self.function != function:
            return f"{self.thing} runs function {self.function}"
        if self.status != "running" or not self.frames:
            return f"{self.thing} is {self.status}, {self.frames} frames"
        return ""


def read_cameras(iot: Any, iot_data: Any, thing_group: str) -> list[Camera]:
    """Return the last heartbeat of each member of a thing group that ever sent one."""
    try:
        pages = iot.get_paginator("list_things_in_thing_group").paginate(
            thingGroupName=thing_group, recursive=True
        )
        things = sorted(thing for page in pages for thing in page["things"])
    except iot.exceptions.ResourceNotFoundException:
        return []
    return list(_heartbeats(iot_data, things))


def _heartbeats(iot_data: Any, things: Iterable[str]) -> Iterator[Camera]:
    for thing in things:
        try:
            answer = iot_data.get_thing_shadow(thingName=thing, shadowName=_SHADOW)
        except iot_data.exceptions.ResourceNotFoundException:
            continue
        document = json.loads(answer["payload"].read())
        reported = document.get("state", {}).get("reported")
        reported = reported if isinstance(reported, dict) else {}
        model = reported.get("model")
        stamps = document.get("metadata", {}).get("reported", {}).get("heartbeat_at", {})
        interval = max(_number(reported.get("heartbeat_interval_seconds")) or 60, 1.0)
        silent_for = time.time() - float(stamps.get("timestamp") or 0.0)
        status = _text(reported.get("status")) or "unknown"
        yield Camera(
            thing=thing,
            digest=_text(model.get("digest")) if isinstance(model, dict) else None,
            function=_text(reported.get("function")),
            status=status,
            frames=int(_number(reported.get("frames"))),
            figures=reported,
            is_alive=status != "stopped" and silent_for < _MISSED_HEARTBEATS * interval,
        )


def _text(value: Any) -> str | None:
    """Return a camera's text as it can be printed; None for anything else."""
    return printable(value, longest=_LONGEST_TEXT) if isinstance(value, str) else None


def _number(value: Any) -> float:
    """Return a camera's number; 0 for anything that is not a finite, positive one."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _LARGEST_NUMBER else 0.0
