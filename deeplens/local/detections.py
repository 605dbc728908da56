"""Messages of cameras from MQTT, and the detections of the deployed model among these messages."""

import contextlib
import json
import queue
import time
from collections.abc import Iterator
from dataclasses import dataclass

import click

from deeplens.config import EnvironmentConfig
from deeplens.local import emulator
from deeplens.local.cores import EMULATOR_ENDED, RunningCore
from deeplens.local.emulator import LOCAL, LOGS, Endpoint
from deeplens.local.processes import CommandFailed
from deeplens.local.status import status_line

# The maximum wait for a detection. On a busy machine, TensorFlow takes a minute to load.
PATIENCE_SECONDS = 120.0
_POLL_SECONDS = 0.25
_EMULATOR_POLL_SECONDS = 0.5
_SILENT_SECONDS = 5.0


@dataclass(frozen=True)
class Message:
    """One message of a camera, as received."""

    topic: str
    payload: bytes


@contextlib.contextmanager
def subscribed(
    environment: EnvironmentConfig, endpoint: Endpoint
) -> Iterator["queue.Queue[Message]"]:
    """Yield a queue that receives the messages of the environment's cameras."""
    from local_aws.devices.mqtt_subscription import Broker, Subscription, ensure_identity  # noqa: PLC0415 - imports an MQTT client

    identity = ensure_identity(
        LOCAL / "cores" / f"watch-{environment.name}",
        emulator.session(environment, endpoint),
        endpoint.url,
    )
    messages: queue.Queue[Message] = queue.Queue()
    subscription = Subscription(
        Broker(endpoint.mqtt_host, endpoint.mqtt_port, endpoint.ca_file),
        identity,
        environment.inference.topic_filter,
        lambda topic, payload: messages.put(Message(topic, payload)),
    )
    try:
        yield messages
    finally:
        subscription.close()


def arriving_messages(
    messages: "queue.Queue[Message]", name: str, endpoint: Endpoint
) -> Iterator[bytes]:
    """Yield the payload of each message of the environment `name`, without end.

    If no message arrives in the first 5 s, print the command that starts a camera.

    Raises:
        CommandFailed: the emulator has ended or restarted.
    """
    silent_since: float | None = time.monotonic()
    while True:
        try:
            yield messages.get(timeout=_EMULATOR_POLL_SECONDS).payload
            silent_since = None
        except queue.Empty:
            if emulator.read_endpoint() != endpoint:
                raise CommandFailed(EMULATOR_ENDED) from None
            if silent_since is not None and time.monotonic() - silent_since > _SILENT_SECONDS:
                click.echo(
                    f"no message yet; `deeplens local camera {name}` starts a camera", err=True
                )
                silent_since = None


def detections_of(
    messages: "queue.Queue[Message]",
    environment: EnvironmentConfig,
    core: RunningCore,
    count: int,
) -> Iterator[bytes]:
    """Yield the payloads of `count` detection messages of the device with the deployed model.

    Raises:
        CommandFailed: the device ends, a deployment to the device fails, or no such message arrives
            for two minutes.
    """
    model, newest = environment.model, ""
    for _ in range(count):
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        with status_line() as status:
            while True:
                core.check_running()
                core.check_deployments()
                if time.monotonic() > give_up_at:
                    raise CommandFailed(
                        f"{core.thing} published no detection of {model.name} "
                        f"{model.digest[:12]}… for {PATIENCE_SECONDS:.0f} s; its newest message: "
                        f"{newest or '(none)'}; its last log line: {core.last_line()}; "
                        f"logs: {LOGS}"
                    )
                try:
                    payload = messages.get(timeout=_POLL_SECONDS).payload
                except queue.Empty:
                    status.update("waiting for a detection")
                    continue
                if is_detection(payload, core.thing, model.digest):
                    break
                newest = payload.decode(errors="replace")[:200]
        yield payload


def is_detection(payload: bytes, thing: str, digest: str) -> bool:
    """Return whether a message is a detection that `thing` made with the model `digest`."""
    try:
        message = json.loads(payload)
        return (
            "detections" in message
            and message["thing"] == thing
            and bool(message["model"]["digest"] == digest)
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
