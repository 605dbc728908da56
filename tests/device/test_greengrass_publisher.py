import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from camera.errors import PublishError
from camera.greengrass import GreengrassPublisher
from testkit.greengrass_ipc import Core, serving
from testkit.waiting import HANG_SECONDS, eventually


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Core:
    made = Core(tmp_path / "ipc.socket")
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture
def publisher() -> Iterator[GreengrassPublisher]:
    made = GreengrassPublisher(timeout_seconds=HANG_SECONDS)
    yield made
    made.close()


def test_a_message_reaches_the_core_at_least_once_with_every_byte(
    away: Core, publisher: GreengrassPublisher
) -> None:
    payload = bytes(range(256))
    with serving(away):
        publisher.publish("deeplens/front-door/infer", payload)
    assert away.published == [("deeplens/front-door/infer", payload, 1)]


def test_without_greengrass_the_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, publisher: GreengrassPublisher
) -> None:
    monkeypatch.delenv("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", raising=False)
    with pytest.raises(PublishError, match="_SOCKET_FILEPATH_FOR_COMPONENT' is not set"):
        publisher.publish("topic", b"{}")


def test_an_outage_of_the_core_is_an_error_and_ends_with_its_return(
    away: Core, publisher: GreengrassPublisher
) -> None:
    with pytest.raises(PublishError, match="IPC cannot be reached"):
        publisher.publish("topic", b"1")
    with serving(away):
        publisher.publish("topic", b"2")
    with pytest.raises(PublishError):
        publisher.publish("topic", b"3")
    with serving(away):
        publisher.publish("topic", b"4")
    assert [payload for _, payload, _ in away.published] == [b"2", b"4"]


def test_a_rejection_names_the_required_permission(
    away: Core, publisher: GreengrassPublisher
) -> None:
    away.refused_topics.add("forbidden")
    with serving(away):
        with pytest.raises(PublishError, match=r"accessControl must allow .*PublishToIoTCore"):
            publisher.publish("forbidden", b"{}")
        publisher.publish("allowed", b"{}")
    assert [topic for topic, _, _ in away.published] == ["allowed"]


def test_a_core_that_fails_once_accepts_the_next_message(
    away: Core, publisher: GreengrassPublisher
) -> None:
    away.failures = 1
    with serving(away):
        with pytest.raises(PublishError, match=r"did not accept it: .*the spool is full"):
            publisher.publish("topic", b"1")
        publisher.publish("topic", b"2")
    assert [payload for _, payload, _ in away.published] == [b"2"]


def given_up(publisher: GreengrassPublisher) -> str:
    """Publish a message, and return the publisher's error."""
    with contextlib.closing(publisher), pytest.raises(PublishError) as given_up:
        publisher.publish("topic", b"1")
    return str(given_up.value)


def test_a_message_without_a_response_times_out(away: Core, publisher: GreengrassPublisher) -> None:
    away.answers = False
    with serving(away):
        # On a busy machine, the connection itself can time out, which is another error.
        eventually(lambda: "did not respond within 1 s" in given_up(GreengrassPublisher(1)))
        away.answers = True
        publisher.publish("topic", b"2")
    assert [payload for _, payload, _ in away.published] == [b"2"]


def test_a_core_that_never_accepts_times_out(away: Core) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(away.socket))
        silent.listen()
        assert "IPC cannot be reached" in given_up(GreengrassPublisher(1))


def test_several_threads_share_one_publisher(away: Core, publisher: GreengrassPublisher) -> None:
    def publish(worker: int) -> None:
        for number in range(20):
            publisher.publish("topic", f"{worker}-{number}".encode())

    threads = [threading.Thread(target=publish, args=(worker,)) for worker in range(4)]
    with serving(away):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(HANG_SECONDS)
    received = [payload for _, payload, _ in away.published]
    assert len(received) == len(set(received)) == 80
