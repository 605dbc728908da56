"""The record of a core device, from health messages that may arrive in any order.

Sources: aws-greengrass-nucleus, FleetStatusService, and aws-greengrass-lite, gg-fleet-statusd. Both
nuclei number their messages and store the number, so numbers restart only after a new installation.
"""

from typing import Any

from local_aws.services.greengrass.store import now

Params = dict[str, Any]
Record = dict[str, Any]
# The position of a message: the index of its numbering, and its sequence number.
Position = list[int]

_DEPLOYMENTS = frozenset({"THING_DEPLOYMENT", "THING_GROUP_DEPLOYMENT"})
_FIRST: Position = [0, -1]
# The latest valid timestamp in ms: the end of the year 9999. Clients cannot read later timestamps.
_LATEST_MS = 253_402_300_799_999
_STRINGS = (
    "ggcVersion", "platform", "architecture", "runtime", "overallDeviceStatus", "messageType",
    "trigger",
)  # fmt: skip


def new_record() -> Record:
    """Return the record of a device without health messages."""
    return {"tags": {}, "components": {}, "reports": {}}


def is_health_message(message: Any) -> bool:
    """Return whether the members of a message have the types that both nuclei use.

    A stored value of another type would cause an error in each later response.
    """
    if not isinstance(message, dict):
        return False
    number, time_ms = (message.get(name, 0) for name in ("sequenceNumber", "timestamp"))
    components = message.get("components", [])
    report = message.get("deploymentInformation") or {}
    return (
        _is_integer(number)
        and number >= 0
        and _is_integer(time_ms)
        and 0 <= time_ms <= _LATEST_MS
        and all(isinstance(message.get(name, ""), str) for name in _STRINGS)
        and isinstance(components, list)
        and all(_is_component(component) for component in components)
        and _is_report(report)
    )


def apply(record: Record, message: Params) -> Params | None:
    """Update the record of a device with a message; return the deployment report in the message.

    The result is None if the message has no report, if the record contains a newer report about the
    deployment, or if the message is from before the last installation.

    A message does not change values from later messages. A COMPLETE message lists all components of
    the device, and a PARTIAL message the changed components.
    """
    position = _position(record, message)
    if position is None:
        return None
    order = record["order"]
    if position >= order["newest"]:
        order["newest"] = position
        _apply_device(record, message)
    _apply_components(record, message, position)
    return _apply_report(record, message.get("deploymentInformation") or {}, position)


def _position(record: Record, message: Params) -> Position | None:
    """Return the position of a message; None for a message from before the last installation.

    Numbers define the order, because a device may correct its clock. After a new installation,
    numbers restart, and the time separates the messages of the two numberings.
    """
    order = record.setdefault("order", _new_order())
    time_ms = int(message.get("timestamp", now() * 1000))
    numbering, last = order["newest"]
    number = int(message.get("sequenceNumber", last + 1))
    if order["first"] is None:
        order.update(first=number, since_ms=time_ms, latest_ms=time_ms)
    elif numbering > 0 and time_ms < order["since_ms"]:
        is_overtaken = number < order["first"] and time_ms > order["before_ms"]
        if not is_overtaken:
            return None
        order.update(first=number, since_ms=time_ms)
    elif number <= last and _restarts(order, message, number, time_ms):
        numbering += 1
        order.update(first=number, since_ms=time_ms, before_ms=order["latest_ms"])
    order["latest_ms"] = max(order["latest_ms"], time_ms)
    return [numbering, number]


def _new_order() -> Record:
    """Return the initial ordering state of a device, which is stored in its record.

    `first` is the lowest sequence number of the current numbering; `since_ms` is the time of that
    message. `latest_ms` is the latest time of any message. `before_ms` is the latest time of the
    previous numbering. Times are those of the device, in milliseconds since the epoch.
    """
    return {
        "newest": _FIRST, "complete": _FIRST, "by_name": {}, "by_arn": {},
        "first": None, "since_ms": 0, "latest_ms": 0, "before_ms": 0,
    }  # fmt: skip


def _restarts(order: Record, message: Params, number: int, time_ms: int) -> bool:
    """Return whether a message whose number is not higher starts a new numbering."""
    is_launch = message.get("trigger") == "NUCLEUS_LAUNCH"
    begins_again = is_launch and number <= order["first"] and time_ms > order["since_ms"]
    return begins_again or time_ms > int(order["latest_ms"])


def _apply_device(record: Record, message: Params) -> None:
    record.update(
        version=message.get("ggcVersion", record.get("version", "")),
        platform=message.get("platform", record.get("platform", "linux")),
        architecture=message.get("architecture", record.get("architecture", "")),
        # The classic nucleus does not report its runtime.
        runtime=message.get("runtime", "aws_nucleus_classic"),
        status=message.get("overallDeviceStatus", record.get("status", "HEALTHY")),
        updated=_seconds(message),
    )


def _apply_components(record: Record, message: Params, position: Position) -> None:
    order, components = record["order"], record["components"]
    if position < order["complete"]:
        return
    by_name: dict[str, Position] = order["by_name"]
    reported = {
        component["componentName"]: component for component in message.get("components", [])
    }
    if message.get("messageType", "COMPLETE") == "COMPLETE":
        order["complete"] = position
        for name in components.keys() | by_name.keys():
            # The chunks of one COMPLETE message have the same number.
            if name not in reported and by_name.get(name, _FIRST) < position:
                components.pop(name, None)
                by_name.pop(name, None)
    for name, component in reported.items():
        if by_name.get(name, _FIRST) > position:
            continue
        by_name[name] = position
        if _is_removed(message, component):
            components.pop(name, None)
        else:
            components[name] = _component(component, _seconds(message), components.get(name, {}))


def _is_removed(message: Params, component: Params) -> bool:
    """Return whether a message reports the removal of a component.

    Nucleus lite reports UNINSTALLED. The classic nucleus reports the last state of the component
    without the ARN of a deployment.
    """
    if component.get("status") == "UNINSTALLED":
        return True
    return (
        "runtime" not in message
        and message.get("trigger") in _DEPLOYMENTS
        and component.get("fleetConfigArns") == []
        and not component.get("isRoot")
    )


def _apply_report(record: Record, report: Params, position: Position) -> Params | None:
    arn = report.get("fleetConfigurationArnForStatus")
    by_arn: dict[str, Position] = record["order"]["by_arn"]
    if not arn or by_arn.get(arn, _FIRST) > position:
        return None
    by_arn[arn] = position
    record["reports"][arn] = report
    return report


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_report(report: Any) -> bool:
    if not isinstance(report, dict):
        return False
    details = report.get("statusDetails") or {}
    return (
        isinstance(report.get("fleetConfigurationArnForStatus", ""), str)
        and isinstance(report.get("status", ""), str)
        and isinstance(details, dict)
        and all(
            isinstance(details.get(name) or "", str) for name in ("detailedStatus", "failureCause")
        )
        and all(
            _is_list_of_strings(details.get(name) or []) for name in ("errorStack", "errorTypes")
        )
    )


def _is_list_of_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _is_component(component: Any) -> bool:
    if not isinstance(component, dict) or not isinstance(component.get("componentName"), str):
        return False
    details = component.get("componentStatusDetails") or {}
    return (
        all(isinstance(component.get(name) or "", str) for name in ("version", "status"))
        and _is_list_of_strings(component.get("fleetConfigArns") or [])
        and isinstance(details, dict)
        and isinstance(details.get("statusReason") or "", str)
        and _is_list_of_strings(details.get("statusCodes") or [])
    )


def _component(component: Params, updated: float, previous: Params) -> Params:
    details = component.get("componentStatusDetails") or {}
    reported = (component.get("version") or "", component.get("status") or "NEW")
    changed = (previous.get("componentVersion"), previous.get("lifecycleState")) != reported
    return {
        "componentName": component["componentName"],
        "componentVersion": reported[0],
        "lifecycleState": reported[1],
        "lifecycleStateDetails": details.get("statusReason") or "",
        "lifecycleStatusCodes": list(details.get("statusCodes") or []),
        "isRoot": bool(component.get("isRoot", False)),
        "lastStatusChangeTimestamp": updated if changed else previous["lastStatusChangeTimestamp"],
        "lastReportedTimestamp": updated,
        "lastInstallationSource": ", ".join(component.get("fleetConfigArns") or []),
    }


def _seconds(message: Params) -> float:
    return float(message.get("timestamp", now() * 1000)) / 1000
