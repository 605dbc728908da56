"""`deeplens local watch`: print the messages of the cameras of an environment."""

import itertools
import json
import time

import click

from deeplens.cli.options import examples
from deeplens.local.checkout import checkout_environment
from deeplens.local.detections import arriving_messages, subscribed
from deeplens.local.emulator import running_emulator
from deeplens.local.interrupts import interruptible
from shared.printable import printable


@click.command(epilog=examples("local watch dev", "local watch dev --count 1 --json"))
@click.argument("name", default="dev")
@click.option("--count", type=click.IntRange(1), help="End after so many messages.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print each message unchanged, one JSON document a line.",
)
def watch(name: str, count: int | None, *, as_json: bool) -> None:
    """Print the messages that the cameras of one environment publish.

    Exit codes: 0 COUNT messages were printed, 1 the emulator ended, 2 wrong usage or input, 3 the
    emulator is not running, 130 interrupted.
    """
    from local_aws.devices.mqtt_subscription import describe

    with interruptible():
        endpoint, environment = running_emulator(), checkout_environment(name)
        with subscribed(environment, endpoint) as messages:
            click.echo(f"listening to {environment.inference.topic_filter}; Ctrl-C ends", err=True)
            for payload in itertools.islice(arriving_messages(messages, name, endpoint), count):
                line = f"{time.strftime('%H:%M:%S')}  {printable(describe(payload))}"
                click.echo(_as_json(payload) if as_json else line)


def _as_json(payload: bytes) -> str:
    """Return a message as one line of JSON in ASCII.

    A message that is not JSON becomes the value of the key `not_json`.
    """
    try:
        return json.dumps(json.loads(payload))
    except (ValueError, RecursionError):
        return json.dumps({"not_json": payload.decode(errors="replace")})
