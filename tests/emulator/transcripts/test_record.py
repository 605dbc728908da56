"""`local_aws record` writes the transcript of a device that plays a transcript."""

import http.client
import signal
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_aws.transcripts import events
from local_aws.transcripts.events import kind
from local_aws.transcripts.traffic import PATH
from testkit.waiting import HANG_SECONDS, eventually
from tests.emulator.device_client import Device
from tests.emulator.running_emulator import REGION, Emulator
from tests.emulator.transcripts.device_player import DevicePlayer
from tests.emulator.transcripts.lite_fleet import LITE, operate
from tests.emulator.transcripts.record_command import recording

pytestmark = pytest.mark.emulator


def test_a_recorded_transcript_is_the_played_one_without_secrets(
    player: DevicePlayer, aws: Emulator, device: Device, greengrass: Any, tmp_path: Path
) -> None:
    out = tmp_path / "recorded.jsonl"
    process = recording(aws, device.thing, out)
    for event in player.play():
        operate(event, device, greengrass)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, errors) == (0, "")
    recorded = events.read(out)
    assert printed == f"{out}: {len(recorded.events)} events\n"
    assert recorded.header["nucleus"] == "aws_nucleus_lite"

    text = out.read_text()
    for secret in ("access_key_id", "secret_access_key", "session_token"):
        assert player.bindings[secret] not in text
    for name in ("thing", "account", "bucket", "deployment1", "job2", "alias", "token1"):
        assert str(player.bindings[name]) not in text
    assert "BEGIN CERTIFICATE" not in text

    def outline(transcript: events.Transcript) -> list[tuple[str, str, Any]]:
        """Return sender, kind and status (or trigger) of each event, sorted; omit the operator's.

        Device and cloud send messages concurrently, so the order of events differs.
        """
        outlines = []
        for event in transcript.events:
            if event["from"] == "operator":
                continue
            shown = event.get("payload", {})
            status = shown.get("status") or shown.get("trigger") if isinstance(shown, dict) else ""
            outlines += [(event["from"], kind(event), status)] * event.get("repeat", 1)
        return sorted(outlines, key=str)

    assert outline(recorded) == outline(events.read(LITE))
    deploys = [event for event in recorded.events if event["from"] == "operator"]
    assert [event["components"] for event in deploys] == [
        {player.bindings["component"]: "1.2.3"},
        {},
    ]


def test_a_recorded_transcript_can_be_played(
    player: DevicePlayer, aws: Emulator, device: Device, greengrass: Any, tmp_path: Path
) -> None:
    out = tmp_path / "recorded.jsonl"
    process = recording(aws, device.thing, out)
    for event in player.play():
        operate(event, device, greengrass)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=HANG_SECONDS)

    names = {"thing", "account", "region", "architecture"}
    bindings = {name: player.bindings[name] for name in names}
    bindings |= {f"{name}1": player.bindings[name] for name in ("alias", "bucket", "key")}
    again = DevicePlayer(events.read(out), device, tmp_path, bindings)
    made = [operate(event, device, greengrass) for event in again.play()]
    assert again.downloads == player.downloads
    thing = {"coreDeviceThingName": device.thing}
    assert greengrass.list_installed_components(**thing)["installedComponents"] == []

    def last() -> dict[str, str]:
        listed = greengrass.list_effective_deployments(**thing)["effectiveDeployments"]
        return {
            deployment["deploymentId"]: deployment["coreDeviceExecutionStatus"]
            for deployment in listed
        }

    eventually(lambda: last() == {made[-1]: "SUCCEEDED"}, last)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--device", "nothing-there", "--out", "new.jsonl"], 1, "is not a thing of account"),
        (["--device", "d", "--out", "exists.jsonl"], 2, "exists: expected the name of a new file"),
        (["--device", "d", "--out", "no/folder.jsonl"], 2, "a folder that exists"),
        (["--out", "new.jsonl"], 2, "--device"),
        (["--device", "d", "--out", "new.jsonl", "--seconds", "0"], 2, "--seconds"),
    ],
)
def test_invalid_options_are_one_error(
    aws: Emulator, tmp_path: Path, options: list[str], code: int, message: str
) -> None:
    (tmp_path / "exists.jsonl").touch()
    shown = [str(tmp_path / option) if option.endswith(".jsonl") else option for option in options]
    ended = aws.command("record", *shown)
    assert ended.returncode == code
    assert message in ended.stderr.replace("\n", " ")
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "new.jsonl").exists()


def test_a_device_that_sends_nothing_has_no_transcript(
    aws: Emulator, device: Device, tmp_path: Path
) -> None:
    out = tmp_path / "silent.jsonl"
    process = recording(aws, device.thing, out, "--seconds", "0.5")
    _, errors = process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 1
    assert "exchanged no messages" in errors
    assert not out.exists()


def test_only_root_of_the_account_follows_its_devices(
    aws: Emulator, device: Device, player: DevicePlayer
) -> None:
    """Only the account's root may record devices.

    The stream contains messages of all devices, and a device has only a role's session.
    """
    body = device.request("GET", f"/role-aliases/{player.bindings['alias']}/credentials")[1]
    answer = signed_get(aws, body["credentials"], device.thing)
    assert answer[0] == 403
    assert "is not authorized to follow devices" in answer[1]
    unsigned = get(aws, {}, device.thing)
    assert unsigned[0] == 403


def path(thing: str) -> str:
    return f"{PATH}?region={REGION}&thing={thing}"


def get(aws: Emulator, headers: dict[str, str], thing: str) -> tuple[int, Any]:
    address = urlsplit(aws.endpoint["endpoint_url"])
    with closing(http.client.HTTPConnection(str(address.hostname), address.port)) as connection:
        connection.request("GET", path(thing), headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


def signed_get(aws: Emulator, session: dict[str, str], thing: str) -> tuple[int, Any]:
    request = AWSRequest("GET", f"{aws.endpoint['endpoint_url']}{path(thing)}")
    names = ("accessKeyId", "secretAccessKey", "sessionToken")
    credentials = Credentials(*(session[name] for name in names))
    SigV4Auth(credentials, "local-aws", REGION).add_auth(request)
    return get(aws, dict(request.headers), thing)
