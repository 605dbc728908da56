"""Topics that a component may publish and subscribe to: its `accessControl` for the MQTT proxy."""

import re
from collections.abc import Callable
from typing import Any

PUBLISH = "aws.greengrass#PublishToIoTCore"
SUBSCRIBE = "aws.greengrass#SubscribeToIoTCore"

_ESCAPE = re.compile(r"\$\{(.)\}")


def is_allowed(  # noqa: PLR0913 - the parts of a question about access
    operation: str,
    configuration: dict[str, Any],
    topic: str,
    *,
    thing: str,
    interpolate: bool,
    matches: Callable[[str, str], bool],
) -> bool:
    """Return whether a policy of the component's configuration allows an operation on the topic.

    Args:
        operation: `PUBLISH` or `SUBSCRIBE`.
        configuration: of the component, with its `accessControl`.
        topic: as the component gave it.
        thing: name of the core device.
        interpolate: whether `{iot:thingName}` is replaced; otherwise it matches nothing.
        matches: the nucleus' comparison of a resource with a topic.
    """
    policies = configuration.get("accessControl", {}).get("aws.greengrass.ipc.mqttproxy", {})
    for policy in policies.values():
        operations = policy.get("operations", [])
        if operation not in operations and "*" not in operations:
            continue
        for resource in policy.get("resources", []):
            pattern = resource.replace("{iot:thingName}", thing) if interpolate else resource
            if matches(pattern, topic):
                return True
    return False


def matches_as_mqtt(pattern: str, topic: str) -> bool:
    """Compare as the classic nucleus: `*` is any text, `+` one level, `/#` all further levels.

    A `+` or `#` elsewhere than MQTT allows it is text, and `${c}` is the character c.

    Source: aws-greengrass-nucleus, WildcardTrie.
    """
    if pattern.endswith("/#") and topic == pattern.removesuffix("/#"):
        return True
    expression, position = "", 0
    while position < len(pattern):
        character = pattern[position]
        escape = _ESCAPE.match(pattern, position)
        begins = position == 0 or pattern[position - 1] == "/"
        ends = position == len(pattern) - 1
        if escape:
            expression += re.escape(escape[1])
            position = escape.end()
            continue
        if character == "*" or (character == "#" and begins and ends):
            expression += ".*"
        elif character == "+" and begins and (ends or pattern[position + 1] == "/"):
            expression += "[^/]*"
        else:
            expression += re.escape(character)
        position += 1
    return re.fullmatch(expression, topic, re.DOTALL) is not None


def matches_as_text(pattern: str, topic: str) -> bool:
    """Compare as nucleus lite: `*` is any text, and everything else is itself.

    `${c}` is the character c.

    Source: aws-greengrass-lite, ipc_authz.
    """
    expression, position = "", 0
    while position < len(pattern):
        if escape := _ESCAPE.match(pattern, position):
            expression += re.escape(escape[1])
            position = escape.end()
            continue
        expression += ".*" if pattern[position] == "*" else re.escape(pattern[position])
        position += 1
    return re.fullmatch(expression, topic, re.DOTALL) is not None
