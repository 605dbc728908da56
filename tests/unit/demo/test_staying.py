"""The demo's camera runs until Enter, and fails if the device or the emulator ends."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deeplens.local import cores, emulator
from deeplens.local.cores import RunningCore
from deeplens.local.detections import is_detection
from deeplens.local.emulator import Endpoint
from deeplens.local.processes import CommandFailed
from local_aws.core_device.connection import BACK, LOST
from tests.terminal import OnTerminal

pytestmark = pytest.mark.process

# A command line that contains `local_aws`, which identifies the emulator's process.
_SLEEPER = [
    sys.executable, "-c", "import time; 'local_aws'; print('runs', flush=True); time.sleep(600)"
]  # fmt: skip


def sleeping() -> "subprocess.Popen[bytes]":
    """Start a process, wait until its program runs, and return the process."""
    process = subprocess.Popen(_SLEEPER, stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == b"runs\n"
    return process


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Iterator[subprocess.Popen[bytes]]":
    monkeypatch.setattr(emulator, "LOCAL", tmp_path)
    process = sleeping()
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws/endpoint.json").write_text(
        json.dumps(
            {"pid": process.pid, "endpoint_url": "http://127.0.0.1:1", "mqtt_host": "127.0.0.1",
             "mqtt_port": 1, "device_port": 1, "ca_file": "ca.pem", "root_key": "0"}
        )
    )  # fmt: skip
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def core(tmp_path: Path) -> Iterator[RunningCore]:
    log = tmp_path / "dev-camera-1.log"
    log.write_text("2026-11-30 10:00:00,000 core dev-camera-1: deployment failed: of before\n")
    process = sleeping()
    began_at = log.stat().st_size
    yield RunningCore(
        "dev-camera-1", process, log, began_at, tmp_path / "function.log", 0, tmp_path / "url"
    )
    process.kill()
    process.wait()


def endpoint() -> Endpoint:
    found = emulator.read_endpoint()
    assert found is not None
    return found


def after(count: int, act: Any = None) -> Any:
    """Return a function that returns true only at its `count`-th call; the first runs `act`."""
    calls = []

    def ended(_seconds: float) -> bool:
        if act is not None and not calls:
            act()
        calls.append(1)
        return len(calls) == count

    return ended


@pytest.mark.usefixtures("server")
def test_staying_ends_when_asked_and_announces_each_new_address(core: RunningCore) -> None:
    announced: list[str] = []
    cores.stay(
        core,
        endpoint(),
        announced.append,
        after(3, lambda: core.live_view_file.write_text("http://x/1/\n")),
    )
    assert announced == ["http://x/1/"]


@pytest.mark.usefixtures("server")
def test_a_device_that_ends_is_reported_with_its_last_line(core: RunningCore) -> None:
    with core.log.open("a") as log:
        log.write("2026-11-30 10:00:01,000 core dev-camera-1: lost the broker\n")

    def end() -> None:
        core.process.kill()
        core.process.wait()

    with pytest.raises(CommandFailed, match=r"dev-camera-1 ended with exit code -9.*lost the br"):
        cores.stay(core, endpoint(), print, after(9, end))


@pytest.mark.usefixtures("server")
def test_an_error_of_the_device_is_the_only_text(core: RunningCore) -> None:
    core.process.kill()
    core.process.wait()
    with core.log.open("a") as log:
        log.write("Error: dev-camera-1 is already running (process 7): stop it\n")
    with pytest.raises(CommandFailed) as caught:
        core.check_running()
    assert str(caught.value) == "dev-camera-1 is already running (process 7): stop it"


def test_an_emulator_that_ends_is_reported_although_nobody_waited_for_it(
    core: RunningCore, server: "subprocess.Popen[bytes]"
) -> None:
    def end() -> None:
        server.kill()
        # A killed process is a zombie until its parent reads the exit code.
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)

    with pytest.raises(CommandFailed, match="the emulator has ended"):
        cores.stay(core, endpoint(), print, after(9, end))


@pytest.mark.usefixtures("server")
def test_an_emulator_that_was_started_again_is_another_one(core: RunningCore) -> None:
    file = emulator.LOCAL / "aws/endpoint.json"

    def start_again() -> None:
        found = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**found, "mqtt_port": 2}), encoding="utf-8")

    with pytest.raises(CommandFailed, match="the emulator has ended"):
        cores.stay(core, endpoint(), print, after(9, start_again))


def test_a_device_that_outlives_the_emulator_reports_its_connection(
    core: RunningCore, server: "subprocess.Popen[bytes]"
) -> None:
    with core.log.open("a") as log:
        log.write(f"2026-11-30 10:00:00,000 core dev-camera-1: {BACK} (of before)\n")
    reported: list[str] = []

    def end() -> None:
        server.kill()
        with core.log.open("a") as log:
            log.write(f"2026-11-30 10:00:01,000 core dev-camera-1: {LOST} for 10 s\n")
            log.write("2026-11-30 10:00:01,000 core dev-camera-1: other\n")
            log.write(f"2026-11-30 10:00:02,000 core dev-camera-1: {BACK}\n")
            log.write("2026-11-30 10:00:02,000 core dev-cam")

    cores.stay(core, endpoint(), print, after(3, end), reported.append)
    assert reported == [f"{LOST} for 10 s", BACK]


@pytest.mark.usefixtures("server")
def test_a_device_that_outlives_the_emulator_ends_if_that_runs_on_other_ports(
    core: RunningCore,
) -> None:
    file = emulator.LOCAL / "aws/endpoint.json"

    def start_again() -> None:
        found = json.loads(file.read_text(encoding="utf-8"))
        file.write_text(json.dumps({**found, "mqtt_port": 2}), encoding="utf-8")

    with pytest.raises(CommandFailed, match="ports of the emulator have changed"):
        cores.stay(core, endpoint(), print, after(9, start_again), print)


def test_a_failed_deployment_counts_only_since_the_start(core: RunningCore) -> None:
    core.check_deployments()
    with core.log.open("a") as log:
        log.write("2026-11-30 10:00:01,000 core dev-camera-1: deployment failed: wrong Python\n")
    with pytest.raises(CommandFailed, match="dev-camera-1: deployment failed: wrong Python"):
        core.check_deployments()


@pytest.mark.parametrize(
    "change",
    [
        {"thing": "dev-camera-2"},
        {"model": {"name": "shapes", "version": "1.0.0", "digest": "b" * 64}},
        {"detections": None, "error": {"type": "CameraError"}, "model": None},
        {"detections": None, "dropped": 3},
    ],
)
def test_only_detections_of_the_deployed_model_by_this_device_count(change: dict[str, Any]) -> None:
    message: dict[str, Any] = {
        "thing": "dev-camera-1",
        "model": {"name": "shapes", "version": "1.0.0", "digest": "a" * 64},
        "detections": [],
    }
    changed = {key: value for key, value in (message | change).items() if value is not None}
    counted = [
        is_detection(json.dumps(content).encode(), "dev-camera-1", "a" * 64)
        for content in (message, changed)
    ]
    assert counted == [True, False]


@pytest.mark.parametrize(("typed", "answer"), [("\n", "True"), ("", "False"), ("x", "False")])
def test_enter_is_noticed_on_a_terminal(typed: str, answer: str) -> None:
    script = "from deeplens.local.keyboard import *; print(is_interactive(), enter_pressed(2.0))"
    program = OnTerminal([sys.executable, "-c", script], Path.cwd(), os.environ)
    program.type(typed)
    assert program.end() == 0
    assert f"True {answer}" in program.shown


def test_without_a_terminal_enter_is_not_awaited() -> None:
    script = "from deeplens.local.keyboard import *; print(is_interactive(), enter_pressed(0.01))"
    result = subprocess.run(
        [sys.executable, "-c", script], input="\n", capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", "False"]
