"""The `record` command, which writes a transcript of a connected device."""

import contextlib
import datetime as dt
import http.client
import json
import queue
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import click
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.cli_options import examples
from local_aws.process.endpoint import Endpoint, running
from local_aws.state.paths import StatePaths
from local_aws.transcripts.events import Event, to_lines
from local_aws.transcripts.traffic import PATH

_NOT_RUNNING = 3
# The emulator sends at least one line per second. The connection times out if no line arrives for
# this time.
_SILENCE_SECONDS = 30
# The longest recording after Ctrl-C or the time limit, for a device that never pauses.
_REST_SECONDS = 10.0
_SHOWN_THINGS = 10


@click.command(
    epilog=examples("local record --device cam-1 --out cam-1.jsonl"),
    short_help="Write a transcript of a connected device.",
)
@click.option("--device", required=True, help="Name of the device's thing.")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write: JSON lines, without secrets.",
)
@click.option(
    "--account",
    default="000000000000",
    envvar="AWS_ACCESS_KEY_ID",
    show_default=True,
    help="The AWS account's twelve digits; `env` sets the variable AWS_ACCESS_KEY_ID.",
)
@click.option(
    "--region",
    default="us-east-1",
    envvar="AWS_DEFAULT_REGION",
    show_default=True,
    help="The AWS Region; `env` sets the variable AWS_DEFAULT_REGION.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="End after this time.  [default: at Ctrl-C]",
)
@click.pass_obj
def record(  # noqa: PLR0913 - one parameter per option
    paths: StatePaths, *, device: str, out: Path, account: str, region: str, seconds: float | None
) -> None:
    """Write the messages between a device and the emulator to a file until Ctrl-C.

    Start it before the device, or before the messages that you record. The emulator removes
    credentials, tokens, presigned URLs and certificates. Identifiers, times and the names of the
    account, Region and device become placeholders. Payloads of other topics than Greengrass' are
    not recorded.

    Exit codes: 0 written, 1 failed, 2 wrong usage, 3 the emulator is not running.
    """
    if out.exists():
        raise click.UsageError(f"{out} exists: expected the name of a new file.")
    if not out.absolute().parent.is_dir():
        raise click.UsageError(f"{out}: expected a file in a folder that exists.")
    endpoint = running(paths)
    if endpoint is None:
        click.echo("the emulator is not running; start it with `deeplens local up`", err=True)
        sys.exit(_NOT_RUNNING)
    session = _session(endpoint, account, region)
    _check_device(session, endpoint, device)
    partial = out.with_name(f"{out.name}.partial")
    # A folder that is not writable is reported before the recording.
    partial.touch()
    partial.unlink()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    events = list(_record_events(endpoint, session, device, seconds))
    if not events:
        raise click.ClickException(
            f"{device} and the emulator exchanged no messages, so {out} is not written: start the"
            " device while this command runs, or deploy to it."
        )
    header = _header(session, endpoint, device)
    try:
        partial.write_text("".join(to_lines(header, events)), encoding="utf-8")
        partial.replace(out)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    click.echo(f"{out}: {len(events)} events")


def _session(endpoint: Endpoint, account: str, region: str) -> boto3.Session:
    return boto3.Session(account, endpoint.secret_access_key(account), region_name=region)


def _check_device(session: boto3.Session, endpoint: Endpoint, device: str) -> None:
    iot = session.client("iot", endpoint_url=endpoint.endpoint_url)
    try:
        iot.describe_thing(thingName=device)
    except iot.exceptions.ResourceNotFoundException:
        names = [thing["thingName"] for thing in iot.list_things()["things"]]
        shown = ", ".join(sorted(names)[:_SHOWN_THINGS]) or "none"
        raise click.ClickException(
            f"{device!r} is not a thing of account {_account(session)} in {session.region_name}:"
            f" expected one of {shown}; --account and --region select others."
        ) from None
    except ClientError as error:
        raise click.ClickException(str(error)) from None


def _record_events(
    endpoint: Endpoint, session: boto3.Session, device: str, seconds: float | None
) -> Iterator[Event]:
    """Yield the events of a device until the time limit, Ctrl-C, or the end of the emulator."""
    connection, response = _open(endpoint, session, device)
    lines: queue.Queue[bytes] = queue.Queue()
    # Ctrl-C interrupts only the main thread, so the reader loses no line.
    reader = threading.Thread(target=_read, args=(response, lines), daemon=True)
    reader.start()
    click.echo(f"recording {device}; Ctrl-C ends it", err=True)
    with contextlib.suppress(KeyboardInterrupt):
        yield from _events(lines, seconds)
    # Messages that the device sent before Ctrl-C may arrive later.
    with contextlib.suppress(KeyboardInterrupt):
        yield from _events(lines, _REST_SECONDS, until_silence=True)
    # The reader waits for a line, and only the end of the connection stops it.
    with contextlib.suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
    reader.join()
    connection.close()


def _read(response: http.client.HTTPResponse, lines: "queue.Queue[bytes]") -> None:
    """Put the lines of the stream into a queue; mark the stream's end with empty bytes."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        # The last line is incomplete if the emulator was killed.
        while (line := response.readline()).endswith(b"\n"):
            lines.put(line)
    lines.put(b"")


def _events(
    lines: "queue.Queue[bytes]", seconds: float | None, *, until_silence: bool = False
) -> Iterator[Event]:
    """Yield the events until the time limit or the end of the stream.

    With `until_silence`, a pause of the device also ends the events. An empty line marks a pause.
    """
    ends_at = time.monotonic() + (threading.TIMEOUT_MAX / 2 if seconds is None else seconds)
    while True:
        try:
            line = lines.get(timeout=max(ends_at - time.monotonic(), 0))
        except queue.Empty:
            return
        if not line:
            if not until_silence:
                click.echo("the emulator has ended", err=True)
            lines.put(line)
            return
        if line.strip():
            yield json.loads(line)
        elif until_silence and lines.empty():
            return


def _open(
    endpoint: Endpoint, session: boto3.Session, device: str
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    """Request the stream as the account's root user; return the connection and the response."""
    target = f"{PATH}?region={quote(session.region_name)}&thing={quote(device, safe='')}"
    url = f"{endpoint.endpoint_url}{target}"
    account = _account(session)
    request = AWSRequest("GET", url, headers={"Host": urlsplit(url).netloc})
    credentials = Credentials(account, endpoint.secret_access_key(account))
    SigV4Auth(credentials, "local-aws", session.region_name).add_auth(request)
    address = urlsplit(endpoint.endpoint_url)
    connection = http.client.HTTPConnection(
        str(address.hostname), address.port, timeout=_SILENCE_SECONDS
    )
    connection.request("GET", target, headers=dict(request.headers))
    response = connection.getresponse()
    if response.status != http.client.OK:
        text = response.read().decode(errors="replace")
        connection.close()
        raise click.ClickException(f"the emulator does not stream {device}: {text}")
    return connection, response


def _header(session: boto3.Session, endpoint: Endpoint, device: str) -> dict[str, Any]:
    greengrass = session.client("greengrassv2", endpoint_url=endpoint.endpoint_url)
    nucleus = version = "not reported"
    try:
        core = greengrass.get_core_device(coreDeviceThingName=device)
    except (ClientError, BotoCoreError):
        # The device has not yet reported its health, or the emulator has ended.
        pass
    else:
        nucleus, version = core.get("runtime") or nucleus, core.get("coreVersion") or version
    return {
        "title": f"A device with {nucleus} {version}",
        "source": "local_aws record",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "nucleus": nucleus,
        "version": version,
    }


def _account(session: boto3.Session) -> str:
    credentials = session.get_credentials()
    return str(credentials.access_key) if credentials else ""
