import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from camera.errors import SpoolError
from camera.messages import encode
from camera.outbox import MessageIds, Outbox
from camera.spool import Entry, Spool
from testkit.waiting import HANG_SECONDS, eventually
from tests.device.bench import THING, TOPIC


class FullAtTimes(Spool):
    """A spool in memory that rejects messages while `is_full` is true."""

    is_full = False

    def add(self, entries: Sequence[Entry]) -> None:
        if self.is_full:
            raise SpoolError("the spool is full: for the test")
        super().add(entries)


class Sending:
    def __init__(self) -> None:
        self.spool = FullAtTimes.in_memory()
        self.dropped: list[SpoolError] = []
        self.outbox = Outbox(self.spool, thing=THING, topic=TOPIC, on_dropped=self.dropped.append)

    def send(self, count: int) -> None:
        for _ in range(count):
            self.outbox.send(lambda id_: encode({"id": id_}))

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.outbox.run)
        thread.start()
        yield
        self.outbox.stop()
        thread.join(HANG_SECONDS)
        assert not thread.is_alive()

    def stored(self) -> list[dict[str, Any]]:
        documents = []
        while message := self.spool.oldest():
            documents.append(json.loads(message.payload))
            self.spool.remove(message.sequence)
        return documents


def numbers(messages: list[dict[str, Any]]) -> list[int]:
    return [int(message["id"].rpartition("-")[2]) for message in messages]


def test_ids_of_two_starts_differ_at_any_time() -> None:
    assert MessageIds().next().partition("-")[0] != MessageIds().next().partition("-")[0]


def test_messages_are_on_disk_in_order_when_the_outbox_has_ended() -> None:
    sending = Sending()
    with sending.running():
        sending.send(50)
    assert numbers(sending.stored()) == list(range(1, 51))


def test_threads_that_send_at_once_get_ids_in_the_order_of_the_spool() -> None:
    sending = Sending()
    threads = [threading.Thread(target=sending.send, args=(100,)) for _ in range(4)]
    with sending.running():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_SECONDS)
    assert numbers(sending.stored()) == list(range(1, 401))


def test_dropped_messages_are_counted_and_reported_before_the_next_message() -> None:
    sending = Sending()
    sending.spool.is_full = True
    with sending.running():
        sending.send(3)
        eventually(lambda: sending.outbox.dropped == 3)
        sending.spool.is_full = False
        sending.send(1)
    assert len(sending.dropped) == 3
    dropped, next_message = sending.stored()
    assert dropped["dropped"]["count"] == 3
    assert dropped["dropped"]["reason"] == "the spool is full: for the test"
    assert list(next_message) == ["id"]


def test_a_message_that_the_cloud_would_reject_is_an_error_of_send() -> None:
    with pytest.raises(ValueError, match=r"AWS IoT Core accepts at most 131072"):
        Sending().outbox.send(lambda _: b"x" * (1 << 18))
