"""endpoint.json contains the addresses of a server while it runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from deeplens.releases.aws import AwsAccounts
from local_aws.process.child_processes import descendants, is_alive, stop
from local_aws.process.endpoint import Endpoint, running, secret_access_key
from local_aws.state.paths import StatePaths
from testkit.waiting import eventually


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    """The paths of an empty state folder."""
    return StatePaths(tmp_path)


def _endpoint(pid: int) -> Endpoint:
    return Endpoint(pid, "http://127.0.0.1:1", "127.0.0.1", 2, 3, "/ca.pem", "0" * 64)


def _process(source: str) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", f"{source}  # local_aws"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


@pytest.mark.process
def test_a_running_server_is_found_and_written_as_everyone_reads_it(paths: StatePaths) -> None:
    with _process("import time; print('ready', flush=True); time.sleep(600)") as process:
        assert process.stdout is not None
        process.stdout.readline()
        _endpoint(process.pid).write(paths.endpoint)
        assert running(paths) == _endpoint(process.pid)
        process.kill()
    assert running(paths) is None
    assert list(json.loads(paths.endpoint.read_text())) == [
        "pid",
        "endpoint_url",
        "mqtt_host",
        "mqtt_port",
        "device_port",
        "ca_file",
        "root_key",
        "s3_port",
        "device_host",
        "device_address",
    ]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"pid": 1}'])
def test_a_file_that_is_no_endpoint_is_no_server(paths: StatePaths, content: str) -> None:
    paths.endpoint.write_text(content)
    assert running(paths) is None


def test_only_its_owner_reads_the_secret_and_no_message_contains_it(paths: StatePaths) -> None:
    paths.endpoint.with_suffix(".tmp").touch(0o644)
    _endpoint(1).write(paths.endpoint)
    assert paths.endpoint.stat().st_mode & 0o777 == 0o600
    assert "0" * 64 not in repr(_endpoint(1))


def test_an_account_has_the_secret_that_the_documentation_defines(tmp_path: Path) -> None:
    """An account's secret follows the documented derivation.

    `deeplens` derives the secret with separate code, and OpenSSL computed the expected value.
    """
    account, root_key = "111111111111", "0f" * 32
    expected = "90f97ce468feaa61295baa93bbeded2a6268b19e085cf49283f1758193c386f5"
    assert secret_access_key(root_key, account) == expected
    file = tmp_path / "endpoint.json"
    file.write_text(json.dumps({"endpoint_url": "http://127.0.0.1:1", "root_key": root_key}))
    dev = SimpleNamespace(name="dev", account=account, region="eu-central-1")
    credentials = AwsAccounts(file).client(dev, "sts")._get_credentials()  # noqa: SLF001 - there is no public method
    assert (credentials.access_key, credentials.secret_key) == (account, expected)
    assert secret_access_key(root_key, "222222222222") != expected


@pytest.mark.process
def test_a_process_that_only_inherited_the_number_is_no_server(paths: StatePaths) -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        _endpoint(process.pid).write(paths.endpoint)
        assert running(paths) is None
        process.kill()


@pytest.mark.process
def test_a_process_that_ignores_being_asked_is_killed_with_what_it_started() -> None:
    source = (
        "import signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        " subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL);"
        " print('ready', flush=True); time.sleep(600)"
    )
    with _process(source) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = descendants(process.pid)
        assert len(started) == 1
        assert stop(process.pid, 0.2) is False
        process.wait()
    # The kernel ends the process some time after the signal.
    eventually(lambda: not is_alive(started[0]))


@pytest.mark.process
def test_a_process_that_obeys_is_not_killed() -> None:
    with _process("import time; time.sleep(600)") as process:
        assert stop(process.pid, 120) is True


def test_this_process_is_alive_and_an_impossible_one_is_not() -> None:
    assert is_alive(os.getpid())
    assert not is_alive(2**30)
