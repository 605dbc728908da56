"""The emulator starts once, retains its state after a stop or a kill, and leaves no process."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import boto3
import pytest

from local_aws.process.child_processes import descendants, is_alive
from testkit.waiting import eventually
from tests.emulator.running_emulator import (
    ACCOUNT,
    REGION,
    Command,
    Emulator,
    after_a_snapshot,
    publish_function,
)

pytestmark = pytest.mark.emulator

SLEEPS = "import time\ndef handle(event, context):\n    time.sleep(600)\n"


def _listeners(pid: int) -> set[tuple[str, int]]:
    """Return the address (hexadecimal) and port of each socket on which a process listens."""
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
    assert "already running" in again.stdout
    assert command.endpoint() == endpoint


def test_down_keeps_the_state_and_leaves_no_process_and_no_port(command: Command) -> None:
    command("up")
    aws = Emulator(command, command.endpoint())
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
    aws = Emulator(command, command.endpoint())
    assert json.load(aws.client("lambda").invoke(FunctionName=arn)["Payload"]) == 1
    assert aws.client("greengrassv2").describe_component(arn=component)["componentName"]
    saved = aws.client("s3").get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert saved["Body"].read() == b"kept"
    assert saved["ChecksumSHA256"]


def test_after_a_kill_it_continues_from_the_last_state_and_no_core_is_touched(
    command: Command,
) -> None:
    command("up")
    aws = Emulator(command, command.endpoint())
    arn = publish_function(aws, "def handle(event, context):\n    return 1\n")
    aws.client("iot").create_thing(thingName="camera")
    configuration = {"LocationConstraint": REGION}
    aws.client("s3").create_bucket(Bucket="kept", CreateBucketConfiguration=configuration)
    aws.client("s3").put_object(Bucket="kept", Key="a/b", Body=b"kept")
    spool = command.state.parent / "cores/camera/greengrass/v2/spool"
    spool.mkdir(parents=True)
    after_a_snapshot(command)
    os.kill(aws.endpoint["pid"], signal.SIGKILL)
    eventually(lambda: not is_alive(aws.endpoint["pid"]))

    assert command("status").returncode == 3
    started = command("up")

    assert started.returncode == 0
    messages = [line for line in started.stdout.splitlines() if "discarded" in line]
    assert len(messages) == 1
    assert "was killed" in messages[0]
    assert spool.exists()
    again = command.endpoint()
    addresses = ("endpoint_url", "mqtt_port", "device_port")
    assert [again[name] for name in addresses] == [aws.endpoint[name] for name in addresses]
    aws = Emulator(command, again)
    things = aws.client("iot").list_things()["things"]
    assert [thing["thingName"] for thing in things] == ["camera"]
    assert aws.client("s3").get_object(Bucket="kept", Key="a/b")["Body"].read() == b"kept"
    assert json.load(aws.client("lambda").invoke(FunctionName=arn)["Payload"]) == 1


def test_a_kill_in_the_middle_of_a_stack_returns_to_the_state_before_it(command: Command) -> None:
    command("up")
    aws = Emulator(command, command.endpoint())
    aws.client("iot").create_thing(thingName="camera")
    arn = publish_function(aws, SLEEPS)
    after_a_snapshot(command)
    template = {
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "made"}},
            "Silent": {
                "Type": "Custom::Silent",
                "Properties": {"ServiceToken": arn},
                "DependsOn": "Bucket",
            },
        }
    }
    aws.client("cloudformation").create_stack(StackName="silent", TemplateBody=json.dumps(template))
    eventually(lambda: descendants(aws.endpoint["pid"]))
    functions = descendants(aws.endpoint["pid"])
    os.kill(aws.endpoint["pid"], signal.SIGKILL)
    eventually(lambda: not is_alive(aws.endpoint["pid"]))

    assert command("up").returncode == 0

    assert not [pid for pid in functions if is_alive(pid)]
    aws = Emulator(command, command.endpoint())
    assert aws.client("cloudformation").describe_stacks()["Stacks"] == []
    assert aws.client("s3").list_buckets()["Buckets"] == []
    assert len(aws.client("iot").list_things()["things"]) == 1


def test_an_object_that_does_not_fit_on_the_disk_is_refused(command: Command) -> None:
    # A limit of 8 MiB per file (8,192 units of 1,024 bytes) simulates a full disk.
    command("up", limit="-f 8192")
    aws = Emulator(command, command.endpoint())
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="full", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="full", Key="fits", Body=b"fits")
    large = bytes(9 * 1024 * 1024)

    with pytest.raises(s3.exceptions.ClientError) as refused:
        s3.put_object(Bucket="full", Key="large", Body=large)
    with pytest.raises(s3.exceptions.ClientError, match="InternalError"):
        s3.put_object(Bucket="full", Key="fits", Body=large)

    assert refused.value.response["Error"]["Code"] == "InternalError"
    assert "File too large" in refused.value.response["Error"]["Message"]
    assert [object_["Key"] for object_ in s3.list_objects_v2(Bucket="full")["Contents"]] == ["fits"]
    assert "state kept" in command("down").stdout
    command("up")
    s3 = Emulator(command, command.endpoint()).client("s3")
    assert s3.get_object(Bucket="full", Key="fits")["Body"].read() == b"fits"


def test_down_reports_a_state_that_could_not_be_saved(command: Command) -> None:
    command("up", limit="-f 8192")
    aws = Emulator(command, command.endpoint())
    aws.client("iot").create_thing(thingName="camera")
    after_a_snapshot(command)
    aws.client("sqs").create_queue(QueueName="large")
    aws.client("ssm").put_parameter(Name="after", Value="snapshot", Type="String")
    url = aws.client("sqs").get_queue_url(QueueName="large")["QueueUrl"]
    for _ in range(40):
        aws.client("sqs").send_message(QueueUrl=url, MessageBody="x" * 250_000)

    stopped = command("down")

    assert stopped.returncode == 1
    assert "its state could not be saved: `up` continues from the state of 20" in stopped.stderr
    started = command("up")
    assert "could not save its state; changes after 20" in started.stdout
    iot = Emulator(command, command.endpoint()).client("iot")
    assert len(iot.list_things()["things"]) == 1


def test_a_port_that_another_program_took_meanwhile_is_named(command: Command) -> None:
    command("up")
    before = command.endpoint()
    command("down")
    with socket.create_server(("127.0.0.1", before["mqtt_port"])):
        started = command("up")
    assert f"port {before['mqtt_port']} is in use" in started.stdout
    after = command.endpoint()
    assert after["endpoint_url"] == before["endpoint_url"]
    assert after["device_port"] == before["device_port"]
    assert after["mqtt_port"] != before["mqtt_port"]


def test_it_ends_with_the_process_that_it_was_started_for(command: Command) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as starter:
        assert command("up", f"--ends-with={starter.pid}").returncode == 0
        pid = command.endpoint()["pid"]
        assert is_alive(pid)
        starter.kill()
    eventually(lambda: not is_alive(pid))
    assert (command.state / "clean").exists()


def test_a_custom_resource_that_never_answers_holds_neither_down_nor_the_next_up(
    command: Command,
) -> None:
    command("up")
    aws = Emulator(command, command.endpoint())
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
        outputs = [one.communicate()[0], two.communicate()[0]]
    assert (one.returncode, two.returncode) == (0, 0), outputs
    url = command.endpoint()["endpoint_url"]
    assert all(url in text for text in outputs)


def test_a_start_right_after_a_stop_waits_until_the_state_is_saved(command: Command) -> None:
    command("up")
    endpoint = command.endpoint()
    Emulator(command, endpoint).client("iot").create_thing(thingName="kept")
    os.kill(endpoint["pid"], signal.SIGTERM)
    eventually(lambda: not (command.state / "endpoint.json").exists())

    started = command("up")

    assert started.returncode == 0
    assert "discarded" not in started.stdout
    client = Emulator(command, command.endpoint()).client("iot")
    assert [thing["thingName"] for thing in client.list_things()["things"]] == ["kept"]
