"""What a component may publish and subscribe to: its `accessControl` for the MQTT proxy."""

import re
from typing import Any

PUBLISH = "aws.greengrass#PublishToIoTCore"
SUBSCRIBE = "aws.greengrass#SubscribeToIoTCore"


def is_allowed(
    operation: str, configuration: dict[str, Any], topic: str, *, thing: str, interpolate: bool
) -> bool:
    """Whether a policy of the component's configuration allows an operation on the topic.

    Args:
        operation: `PUBLISH` or `SUBSCRIBE`.
        configuration: of the component, with its `accessControl`.
        topic: as the component gave it.
        thing: name of the core device.
        interpolate: the nucleus' `interpolateComponentConfiguration`; without it
            `{iot:thingName}` stays as it is and matches nothing.
    """
    policies = configuration.get("accessControl", {}).get("aws.greengrass.ipc.mqttproxy", {})
    for policy in policies.values():
        operations = policy.get("operations", [])
        if operation not in operations and "*" not in operations:
            continue
        for resource in policy.get("resources", []):
            pattern = resource.replace("{iot:thingName}", thing) if interpolate else resource
            if _matches(pattern, topic):
                return True
    return False


def _matches(pattern: str, topic: str) -> bool:
    """MQTT's `+` and `#`; and `*`, which Greengrass takes for any characters."""
    if pattern == "*":
        return True
    wanted = "/".join(
        "[^/]+" if part == "+" else ".*" if part == "#" else re.escape(part).replace(r"\*", ".*")
        for part in pattern.split("/")
    )
    return re.fullmatch(wanted, topic) is not None
