"""Starting, stopping, being killed: what stays and what does not."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from local_aws.processes import descendants, is_alive
from tests.emulator.embedded_aws import ACCOUNT, REGION, Command, EmbeddedAws, publish_function
from tests.waiting import eventually

pytestmark = pytest.mark.emulator

SLEEPS = "import time\ndef handle(event, context):\n    time.sleep(600)\n"


def _listeners(pid: int) -> set[tuple[str, int]]:
    """The (address in hex, port) pairs a process listens on."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        target = str(descriptor.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                found.add((address, int(port, 16)))
    return found


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_up_is_ready_on_loopback_only_and_a_second_up_says_that_it_runs(command: Command) -> None:
    started = command("up")
    assert started.returncode == 0, started.stderr
    assert "ready at http://127.0.0.1:" in started.stdout
    endpoint = command.endpoint()
    listeners = _listeners(endpoint["pid"])
    assert {address for address, _ in listeners} == {"0100007F"}
    gateway = int(endpoint["endpoint_url"].rpartition(":")[2])
    ports = {gateway, endpoint["mqtt_port"], endpoint["device_port"]}
    assert {port for _, port in listeners} == ports

    again = command("up")
    assert again.returncode == 0
    assert "runs already" in again.stdout
    assert command.endpoint() == endpoint


def test_down_keeps_the_state_and_leaves_no_process_and_no_port(command: Command) -> None:
    command("up")
    aws = EmbeddedAws(command, command.endpoint())
    arn = publish_function(aws, "def handle(event, context):\n    return 1\n")
    assert json.load(aws.client("lambda").invoke(FunctionName=arn)["Payload"]) == 1
    bucket = "deeplens-kept"
    configuration = {"LocationConstraint": REGION}
    aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration=configuration)
    aws.client("s3").put_object(Bucket=bucket, Key="a", Body=b"kept", ChecksumAlgorithm="SHA256")
    greengrass = aws.client("greengrassv2")
    component = greengrass.create_component_version(lambdaFunction={"lambdaArn": arn})["arn"]
    processes = [aws.endpoint["pid"], *descendants(aws.endpoint["pid"])]
    assert len(processes) > 1, "the function's worker should be running"

    assert command("down").returncode == 0

    assert not [pid for pid in processes if is_alive(pid)]
    assert not _accepts(aws.endpoint["mqtt_port"])
    assert not (command.state / "endpoint.json").exists()
    assert command("status").returncode == 3
    assert "discarded" not in command("up").stdout
    aws = EmbeddedAws(command, command.endpoint())
    assert json.load(aws.client("lambda").invoke(FunctionName=arn)["Payload"]) == 1
    assert aws.client("greengrassv2").describe_component(arn=component)["componentName"]
    kept = aws.client("s3").get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert kept["Body"].read() == b"kept"
    assert kept["ChecksumSHA256"]


def test_after_a_kill_the_state_and_its_cores_are_discarded_in_one_plain_line(
    command: Command,
) -> None:
    command("up")
    EmbeddedAws(command, command.endpoint()).client("iot").create_thing(thingName="camera")
    core = command.state.parent / "cores" / "camera"
    (core / "greengrass" / "v2").mkdir(parents=True)
    (command.state.parent / "cores" / "notes").mkdir()
    os.kill(command.endpoint()["pid"], signal.SIGKILL)
    eventually(lambda: not is_alive(command.endpoint()["pid"]))

    assert command("status").returncode == 3
    started = command("up")

    assert started.returncode == 0
    told = [line for line in started.stdout.splitlines() if "discarded" in line]
    assert len(told) == 1
    assert "was killed" in told[0]
    assert not core.exists()
    assert (command.state.parent / "cores" / "notes").exists()
    things = EmbeddedAws(command, command.endpoint()).client("iot").list_things()["things"]
    assert things == []


def test_a_custom_resource_that_never_answers_holds_neither_down_nor_the_next_up(
    command: Command,
) -> None:
    command("up")
    aws = EmbeddedAws(command, command.endpoint())
    arn = publish_function(aws, SLEEPS)
    template = {
        "Resources": {"Silent": {"Type": "Custom::Silent", "Properties": {"ServiceToken": arn}}}
    }
    aws.client("cloudformation").create_stack(StackName="silent", TemplateBody=json.dumps(template))
    eventually(lambda: descendants(aws.endpoint["pid"]))
    processes = [aws.endpoint["pid"], *descendants(aws.endpoint["pid"])]

    stopped = command("down")

    assert "state kept" in stopped.stdout
    assert not [pid for pid in processes if is_alive(pid)]
    started = command("up")
    assert "in the middle of silent (CREATE_IN_PROGRESS)" in started.stdout
    assert started.returncode == 0


def test_in_the_foreground_it_ends_with_its_parent(command: Command) -> None:
    words = [*command.words, "up", "--foreground"]
    parent = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen({words!r}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "time.sleep(600)\n"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen([sys.executable, "-c", parent], cwd=root) as process:
        eventually((command.state / "endpoint.json").exists)
        pid = command.endpoint()["pid"]
        process.kill()
    eventually(lambda: not is_alive(pid))
    assert (command.state / "clean").exists()


def test_env_prints_what_the_sdks_need(command: Command) -> None:
    assert command("env").returncode == 3
    command("up")
    printed = command("env", "--account", ACCOUNT, "--region", REGION).stdout
    variables = dict(
        line.removeprefix("export ").replace("'", "").split("=", 1) for line in printed.splitlines()
    )
    client = boto3.client(
        "sts",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name=variables["AWS_REGION"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    assert client.get_caller_identity()["Account"] == ACCOUNT
    assert variables["AWS_EC2_METADATA_DISABLED"] == "true"


def test_reset_removes_the_state_but_never_under_a_running_server(command: Command) -> None:
    command("up")
    refused = command("reset")
    assert refused.returncode == 1
    assert "stop it" in refused.stderr
    command("down")
    assert command("reset").returncode == 0
    assert not (command.state / "state").exists()


def test_two_starts_at_once_are_one_server(command: Command) -> None:
    words = [*command.words, "up"]
    root = Path(__file__).parents[2]
    with (
        subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(words, cwd=root, stdout=subprocess.PIPE, text=True) as two,
    ):
        said = [one.communicate()[0], two.communicate()[0]]
    assert (one.returncode, two.returncode) == (0, 0), said
    url = command.endpoint()["endpoint_url"]
    assert all(url in text for text in said)


def test_a_start_right_after_a_stop_waits_until_the_state_is_saved(command: Command) -> None:
    command("up")
    endpoint = command.endpoint()
    EmbeddedAws(command, endpoint).client("iot").create_thing(thingName="kept")
    os.kill(endpoint["pid"], signal.SIGTERM)
    eventually(lambda: not (command.state / "endpoint.json").exists())

    started = command("up")

    assert started.returncode == 0
    assert "discarded" not in started.stdout
    client = EmbeddedAws(command, command.endpoint()).client("iot")
    assert [thing["thingName"] for thing in client.list_things()["things"]] == ["kept"]
