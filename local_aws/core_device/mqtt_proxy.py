"""The MQTT proxy of the Greengrass IPC: authorization of topics, and subscriptions."""

import asyncio
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from local_aws.core_device.connection import Connection

if TYPE_CHECKING:
    from local_aws.core_device.ipc import Cancel, Deliver

PUBLISH = "aws.greengrass#PublishToIoTCore"
SUBSCRIBE = "aws.greengrass#SubscribeToIoTCore"

_ESCAPE = re.compile(r"\$\{(.)\}")


def is_allowed(  # noqa: PLR0913 - one parameter per part of an authorization
    operation: str,
    configuration: dict[str, Any],
    topic: str,
    *,
    thing: str,
    interpolate: bool,
    matches: Callable[[str, str], bool],
) -> bool:
    """Return whether a policy in a component's configuration allows an operation on a topic.

    Args:
        operation: `PUBLISH` or `SUBSCRIBE`.
        configuration: the component's configuration, with `accessControl`.
        topic: the topic of the request.
        thing: the name of the core device.
        interpolate: True to replace `{iot:thingName}`, which otherwise matches no topic.
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
    """Return whether a topic matches a pattern by the rules of the classic nucleus.

    `*` matches any string, and `+` one level. A final `#` matches all further levels, and `a/#`
    also matches `a`. A `+` or `#` in a position that MQTT does not allow is a literal, and `${c}`
    is the literal c.

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
    """Return whether a topic matches a pattern by the rules of nucleus lite.

    `*` matches any string, and all other characters are literals. `${c}` is the literal c.

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


class Subscriptions:
    """The subscriptions of all components; the device subscribes once to each topic filter."""

    def __init__(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self._by_filter: dict[str, list[Deliver]] = {}
        self._delivering: set[asyncio.Task[None]] = set()

    async def add(self, topic_filter: str, deliver: "Deliver") -> "Cancel":
        """Add a subscription; return the function that cancels it."""
        first = topic_filter not in self._by_filter
        self._by_filter.setdefault(topic_filter, []).append(deliver)
        if first:
            receive = self._receiver(topic_filter)
            try:
                await asyncio.to_thread(self._connection.listen, topic_filter, receive)
            except BaseException:
                del self._by_filter[topic_filter]
                raise

        def cancel() -> None:
            self._by_filter[topic_filter].remove(deliver)

        return cancel

    def _receiver(self, topic_filter: str) -> Callable[[str, bytes], None]:
        def receive(topic: str, payload: bytes) -> None:
            self._loop.call_soon_threadsafe(self._deliver_to_all, topic_filter, topic, payload)

        return receive

    def _deliver_to_all(self, topic_filter: str, topic: str, payload: bytes) -> None:
        for deliver in list(self._by_filter[topic_filter]):
            task = self._loop.create_task(_deliver(deliver, topic, payload))
            self._delivering.add(task)
            task.add_done_callback(self._delivering.discard)


async def _deliver(deliver: "Deliver", topic: str, payload: bytes) -> None:
    try:
        await deliver(topic, payload)
    except ConnectionError:
        # The component has ended. When its connection ends, the server cancels the subscription.
        return
