"""Settings from the cloud: what the thing's named shadow `deeplens` desires."""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from camera.failures import Backoff, Repeats, is_worth_a_line
from camera.publishing import ResultPublisher, Subscriber
from shared.artifact.strict_json import parse_json

logger = logging.getLogger(__name__)

SHADOW = "$aws/things/{thing}/shadow/name/deeplens"

_LARGEST_DOCUMENT_BYTES = 64 << 10
_MOST_WAITING = 16

_ASK_AGAIN_SECONDS = 60.0

Desire = Callable[[Any], bool]


class ShadowSettings:
    """Listens to `desired.settings`: all of it at the start, then what differs.

    What cannot be listened to is tried again; the settings that hold stay meanwhile.
    """

    def __init__(
        self, *, thing: str, subscriber: Subscriber, publisher: ResultPublisher, desire: Desire
    ) -> None:
        """`desire` is called with what the shadow desires, in one thread; whether it is used."""
        shadow = SHADOW.format(thing=thing)
        self._get = f"{shadow}/get"
        self._topics = (f"{shadow}/get/accepted", f"{shadow}/update/delta")
        self._subscriber = subscriber
        self._publisher = publisher
        self._desire = desire
        self._stopping = threading.Event()
        self._is_refused = False
        self._received: queue.Queue[tuple[str, bytes] | None] = queue.Queue(_MOST_WAITING)

    def run(self) -> None:
        """Listen until `stop` is called."""
        listening = threading.Thread(target=self._listen, name="ShadowListener", daemon=True)
        listening.start()
        while not self._stopping.is_set():
            try:
                received = self._received.get(timeout=_ASK_AGAIN_SECONDS)
            except queue.Empty:
                # A wrong value that is set back to what holds differs no more: no delta says so.
                if self._is_refused:
                    self._ask_again()
                continue
            if received is not None:
                self._use(*received)
        listening.join()

    def stop(self) -> None:
        """Make `run` close the connection and return."""
        self._stopping.set()
        self._subscriber.close()
        # A full queue wakes `run`, too.
        with contextlib.suppress(queue.Full):
            self._received.put_nowait(None)

    def _listen(self) -> None:
        backoff, repeats = Backoff(), Repeats()
        while not self._stopping.is_set():
            try:
                self._subscriber.subscribe(self._topics, self._receive, self._ask)
                backoff.succeeded()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next try may succeed
                if is_worth_a_line(repeats.count(error)):
                    logger.warning("settings of the shadow are not heard: %s", error)
            self._stopping.wait(backoff.failed())

    def _ask(self) -> None:
        """Have the whole shadow sent; a camera's first one does not exist yet, and is not sent."""
        self._publisher.publish(self._get, b"{}")

    def _ask_again(self) -> None:
        try:
            self._ask()
        except Exception as error:  # noqa: BLE001 - there is a next time
            logger.info("the shadow was not asked for: %s", error)

    def _receive(self, topic: str, payload: bytes) -> None:
        try:
            self._received.put_nowait((topic, payload))
        except queue.Full:
            logger.warning("settings come faster than they can be used; one is left out")

    def _use(self, topic: str, payload: bytes) -> None:
        desired = _desired(topic, payload)
        if desired is not None:
            self._is_refused = not self._desire(desired)


def _desired(topic: str, payload: bytes) -> Any:
    """Return the settings that a shadow's message desires; None when it says nothing of them."""
    if len(payload) > _LARGEST_DOCUMENT_BYTES:
        return None
    try:
        state = parse_json(payload)["state"]
        if topic.endswith("/get/accepted"):
            state = state["desired"]
        return state["settings"]
    except (ValueError, KeyError, TypeError):
        return None
