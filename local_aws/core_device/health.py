"""Health messages of a core device: their content, and the events that send them.

Sources: aws-greengrass-nucleus, FleetStatusService; aws-greengrass-lite, gg-fleet-statusd.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from local_aws.core_device.component import InstalledComponent
from local_aws.core_device.errors import DeploymentFailed
from local_aws.core_device.nucleus import Nucleus, Reported
from local_aws.core_device.recipe import architecture

Message = dict[str, Any]
# A function that returns the configuration ARNs of the deployments that contain a component, and
# whether the component is a root.
Origin = Callable[[str], tuple[tuple[str, ...], bool]]


def status_message(  # noqa: PLR0913 - one parameter per part of a message
    nucleus: Nucleus,
    *,
    thing: str,
    sequence: int,
    timestamp_milliseconds: int,
    trigger: str,
    components: Sequence[Reported],
    is_healthy: bool,
    deployment: Mapping[str, Any] | None = None,
) -> Message:
    """Return one health message.

    Args:
        nucleus: the nucleus of the device.
        thing: the thing name of the device.
        sequence: the sequence number of the message.
        timestamp_milliseconds: milliseconds since 1970.
        trigger: the reason for the message, which determines its type.
        components: the components in the message.
        is_healthy: True if the device has no BROKEN component.
        deployment: the result of a deployment, if a deployment is the reason.
    """
    return {
        "ggcVersion": nucleus.version,
        "platform": "linux",
        "architecture": architecture(),
        **nucleus.health_fields,
        "thing": thing,
        "sequenceNumber": sequence,
        "timestamp": timestamp_milliseconds,
        "messageType": nucleus.health_type(trigger),
        "trigger": trigger,
        "overallDeviceStatus": "HEALTHY" if is_healthy else "UNHEALTHY",
        "components": [nucleus.component_entry(component) for component in components],
        "deploymentInformation": dict(deployment or {}),
    }


def outcome(
    nucleus: Nucleus, document: Mapping[str, Any], detail: str, failure: DeploymentFailed | None
) -> dict[str, Any]:
    """Return the result of a deployment in the form of a health message."""
    details = {
        "detailedStatus": detail,
        "errorStack": failure.error_stack if failure else [],
        "errorTypes": failure.error_types if failure else [],
        "failureCause": str(failure) if failure else "",
    }
    return {
        "status": "FAILED" if failure else "SUCCEEDED",
        "fleetConfigurationArnForStatus": document.get("configurationArn", ""),
        "deploymentId": document.get("deploymentId", ""),
        "statusDetails": nucleus.deployment_details(details),
    }


class HealthReporter:
    """A sender of health messages, with the nucleus' triggers and a sequence number on disk.

    Messages are sent at least `pause_seconds` apart; later messages wait in a queue. Use a
    reporter only on the event loop on which it was created.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - one parameter per part of a message
        self,
        nucleus: Nucleus,
        thing: str,
        sequence_file: Path,
        running: Mapping[str, InstalledComponent],
        origin: Origin,
        send: Callable[[bytes], object],
        pause_seconds: float,
    ) -> None:
        self._nucleus = nucleus
        self._thing = thing
        self._sequence_file = sequence_file
        self._running = running
        self._origin = origin
        self._send = send
        self._pause_seconds = pause_seconds
        self._loop = asyncio.get_running_loop()
        self._changed: set[str] = set()
        # The last version and status of each removed component, until a message reports the
        # removal.
        self._removed: dict[str, Reported] = {}
        self._waiting: list[Callable[[], Message]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.is_deploying = False

    def report_all(self, trigger: str) -> None:
        """Send a message with all components."""
        self._queue(lambda: self._message(trigger, sorted(self._running)))

    def report_changes(self, trigger: str) -> None:
        """Send a message with the changed components; nucleus lite sends all components."""
        self._queue(lambda: self._event(trigger, None))

    def report_deployment(
        self,
        deployment: Message,
        roots: Sequence[str],
        trigger: str = "THING_GROUP_DEPLOYMENT",
    ) -> None:
        """Send a message with the result of a deployment whose root components are `roots`."""
        self.is_deploying = False
        self._queue(lambda: self._event(trigger, deployment, roots))

    def status_changed(self, component: InstalledComponent) -> None:
        """Send a message for a changed status, if the nucleus reports this change."""
        self._changed.add(component.name)
        trigger = self._nucleus.trigger(component.status, deploying=self.is_deploying)
        if trigger is None:
            return
        if trigger == "ERRORED_COMPONENT":
            self._queue(lambda: self._message(trigger, [component.name]))
            return
        for _ in range(self._nucleus.status_repetitions):
            self._queue(lambda: self._event(trigger, None))

    def removed(self, component: InstalledComponent) -> None:
        """Record the removal of a component for the next message."""
        self._removed[component.name] = Reported(
            component.name, component.version, component.status, is_removed=True
        )

    def close(self) -> None:
        """Stop the timer, and send no more messages."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _event(
        self, trigger: str, deployment: Message | None, roots: Sequence[str] = ()
    ) -> Message:
        everything = self._nucleus.reports_all_components
        names = sorted(name for name in self._running if everything or name in self._changed)
        removed = [
            component
            for name, component in sorted(self._removed.items())
            if name not in self._running
        ]
        if deployment is not None:
            deployment["unchangedRootComponents"] = self._nucleus.unchanged_roots(
                roots, set(names), succeeded=deployment["status"] == "SUCCEEDED"
            )
        self._changed.clear()
        self._removed.clear()
        return self._message(trigger, names, removed, deployment)

    def _message(
        self,
        trigger: str,
        names: Sequence[str],
        removed: Sequence[Reported] = (),
        deployment: Message | None = None,
    ) -> Message:
        present = [self._reported(self._running[name]) for name in names if name in self._running]
        return status_message(
            self._nucleus,
            thing=self._thing,
            sequence=self._next_number(),
            timestamp_milliseconds=int(time.time() * 1000),
            trigger=trigger,
            components=[*present, *removed],
            is_healthy=all(component.status != "BROKEN" for component in self._running.values()),
            deployment=deployment,
        )

    def _reported(self, component: InstalledComponent) -> Reported:
        arns, is_root = self._origin(component.name)
        return Reported(
            component.name,
            component.version,
            component.status,
            arns,
            is_root,
            codes=component.codes,
            reason=component.reason,
        )

    def _queue(self, message: Callable[[], Message]) -> None:
        if self._is_closed:
            return
        if self._timer is not None:
            self._waiting.append(message)
            return
        self._publish(message)

    def _publish(self, message: Callable[[], Message]) -> None:
        self._send(json.dumps(message()).encode())
        if self._pause_seconds:
            self._timer = self._loop.call_later(self._pause_seconds, self._publish_next)

    def _publish_next(self) -> None:
        self._timer = None
        if self._waiting:
            self._publish(self._waiting.pop(0))

    def _next_number(self) -> int:
        try:
            number = int(self._sequence_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            number = self._nucleus.first_sequence_number
        partial = self._sequence_file.with_suffix(".partial")
        partial.write_text(str(number + 1), encoding="utf-8")
        partial.replace(self._sequence_file)
        return number
