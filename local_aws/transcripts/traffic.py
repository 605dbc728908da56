"""The traffic of devices inside the emulator, for those who follow a device."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from local_aws.account_region import Scope

Event = dict[str, Any]

# Sessions of devices last an hour, so the oldest of so many has expired.
_MOST_SESSIONS = 10_000


class Traffic:
    """Passes on events of the devices that are followed; nothing is stored."""

    def __init__(self) -> None:
        self._queues: dict[tuple[Scope, str], list[asyncio.Queue[Event]]] = {}
        self._sessions: OrderedDict[str, tuple[Scope, str]] = OrderedDict()

    @contextlib.contextmanager
    def follow(self, scope: Scope, thing: str) -> Iterator[asyncio.Queue[Event]]:
        """Give a queue of a device's events, until the block ends."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        queues = self._queues.setdefault((scope, thing), [])
        queues.append(queue)
        try:
            yield queue
        finally:
            queues.remove(queue)
            if not queues:
                del self._queues[scope, thing]

    def followed(self, scope: Scope) -> list[str]:
        """Return the devices of an account and Region that are followed."""
        return [thing for followed, thing in self._queues if followed == scope]

    def add(self, scope: Scope, thing: str, *events: Event) -> None:
        """Pass events on to those who follow the device."""
        for queue in self._queues.get((scope, thing), []):
            for event in events:
                queue.put_nowait(event)

    def remember_session(self, access_key_id: str, scope: Scope, thing: str) -> None:
        """Store which device has a session of the token exchange role."""
        self._sessions[access_key_id] = (scope, thing)
        if len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)

    def owner_of(self, access_key_id: str) -> tuple[Scope, str] | None:
        """Return the device that has a session; None for any other access key."""
        return self._sessions.get(access_key_id)
