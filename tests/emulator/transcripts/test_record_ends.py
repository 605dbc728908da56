"""`local_aws record` ends with an error if its emulator ends or its file cannot be written."""

import signal
from pathlib import Path
from typing import Any

import pytest
from awscrt.mqtt import QoS

from local_aws.transcripts import events
from testkit.waiting import HANG_SECONDS
from tests.emulator.device_client import Device
from tests.emulator.running_emulator import ACCOUNT, REGION, Command, Emulator
from tests.emulator.transcripts.record_command import recording

pytestmark = pytest.mark.emulator


@pytest.fixture
def aws(command: Command) -> Emulator:
    """An emulator for one test."""
    assert command("up").returncode == 0
    return Emulator(command, command.endpoint())


def test_a_transcript_outlives_its_emulator(
    aws: Emulator, device: Device, mqtt: Any, tmp_path: Path
) -> None:
    out = tmp_path / "recorded.jsonl"
    process = recording(aws, device.thing, out)
    mqtt.connect().result(HANG_SECONDS)
    aws.command("down")
    printed, errors = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, printed) == (0, f"{out}: 1 events\n"), errors
    assert errors == "the emulator has ended\n"
    assert events.read(out).header["nucleus"] == "not reported"


def test_text_that_is_not_unicode_ends_no_recording(
    aws: Emulator, device: Device, mqtt: Any, tmp_path: Path
) -> None:
    """Records text that is not valid Unicode.

    JSON strings can contain lone surrogates and Unicode line separators.
    """
    out = tmp_path / "recorded.jsonl"
    process = recording(aws, device.thing, out)
    mqtt.connect().result(HANG_SECONDS)
    topic = f"$aws/things/{device.thing}/greengrassv2/health/json"
    reason = '"\\ud800 \\u2028 \\u0085"'
    mqtt.publish(topic, f'{{"reason": {reason}}}', QoS.AT_LEAST_ONCE)[0].result(HANG_SECONDS)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, printed) == (0, f"{out}: 2 events\n"), errors
    assert events.read(out).events[-1]["payload"] == {"reason": "\ud800 \u2028 \u0085"}


def test_a_folder_that_is_read_only_is_an_error_before_the_recording(
    aws: Emulator, device: Device
) -> None:
    # /proc is read-only, even for root.
    account = ("--account", ACCOUNT, "--region", REGION)
    out = "/proc/recorded.jsonl"
    ended = aws.command("record", "--device", device.thing, "--out", out, *account)
    assert ended.returncode == 1
    assert "recording" not in ended.stderr
    assert f"Error: {out}" in ended.stderr
