"""The camera's heartbeat during the installation of its Python environment (docs/messages.md)."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from first_start.greengrass_ipc import IpcError, publish_to_iot_core
from shared.messages.heartbeat import (
    INSTALLATION_FIELDS,
    SHADOW,
    ErrorReport,
    Heartbeat,
    InstallationProgress,
    timestamp,
)

_DEFAULT_INTERVAL_SECONDS = 60.0
# The longest interval that the camera accepts.
_LONGEST_INTERVAL_SECONDS = 3_600.0
_LONGEST_ERROR_CHARACTERS = 500

Publish = Callable[[str, bytes], None]


class InstallationHeartbeat:
    """A reporter of the installation in the shadow `deeplens`; failed reports are only logged."""

    def __init__(
        self,
        *,
        thing: str,
        function_arn: str | None,
        interval_seconds: float,
        publish: Publish = publish_to_iot_core,
    ) -> None:
        self.interval_seconds = interval_seconds
        self._topic = f"$aws/things/{thing}/shadow/name/{SHADOW}/update"
        self._function_arn = function_arn
        self._publish = publish
        self._started, self._started_at = time.monotonic(), timestamp()
        self._last_problem = ""

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """Return a reporter for the environment variables; an invalid interval becomes 60 s."""
        try:
            interval = float(variables.get("DEEPLENS_HEARTBEAT_INTERVAL_SECONDS", ""))
        except ValueError:
            interval = _DEFAULT_INTERVAL_SECONDS
        return cls(
            thing=variables.get("AWS_IOT_THING_NAME", ""),
            function_arn=variables.get("MY_FUNCTION_ARN") or None,
            interval_seconds=(
                interval if 0 < interval <= _LONGEST_INTERVAL_SECONDS else _DEFAULT_INTERVAL_SECONDS
            ),
        )

    def installing(self, percent: int, seconds: float) -> None:
        """Report the installed share in percent, and the time since the start in seconds."""
        self._report(
            status="installing",
            installation=InstallationProgress(percent=percent, seconds=round(seconds)),
            errors=0,
            last_error=None,
        )

    def failed(self, problem: str) -> None:
        """Report a failed installation."""
        error = ErrorReport(
            type="InstallError",
            message=_printable(problem)[:_LONGEST_ERROR_CHARACTERS],
            at=timestamp(),
            consecutive=1,
        )
        self._report(status="failing", installation=None, errors=1, last_error=error)

    def _report(self, **state: Any) -> None:
        heartbeat = Heartbeat(
            **state,
            # A shadow retains members that a report omits, so members of the previous release are
            # removed.
            model=None,
            function=self._function_arn,
            frames=0,
            detections=0,
            frames_per_second=0.0,
            latency_ms=None,
            last_frame_at=None,
            uptime_seconds=round(time.monotonic() - self._started, 3),
            started_at=self._started_at,
            heartbeat_at=timestamp(),
            heartbeat_interval_seconds=self.interval_seconds,
        )
        document = json.dumps(heartbeat.to_shadow(INSTALLATION_FIELDS), ensure_ascii=False)
        try:
            self._publish(self._topic, document.encode("utf-8", "replace"))
        except IpcError as error:
            # A failed report must not end the installation. Each new problem is logged once.
            if str(error) != self._last_problem:
                self._last_problem = str(error)
                sys.stderr.write(f"heartbeat not sent: {error}\n")


def _printable(text: str) -> str:
    """Return one line without control characters, because terminals display the text."""
    return "".join(character if character.isprintable() else " " for character in text)
