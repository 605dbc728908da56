"""The handler in a separate process, which imports it like Greengrass' Lambda runtime."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.greengrass_ipc import Core, serving
from testkit.waiting import HANG_SECONDS, eventually
from tests.device.bench import environment
from tests.device.function_process import PYTHON_PATH, Function

pytestmark = pytest.mark.process


def run(program: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": PYTHON_PATH, "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_import_outside_greengrass_names_the_missing_variable_and_starts_nothing() -> None:
    program = (
        "import signal, sys, threading, handler\n"
        "assert handler.lambda_handler({}, None) is None\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
        "assert not {'tensorflow', 'openvino', 'awsiot', 'awscrt'} & set(sys.modules)\n"
    )
    result = run(program, {})
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert "does not start: AWS_IOT_THING_NAME: it is not set" in result.stdout
    assert result.stderr == ""


def test_a_wrong_setting_without_a_core_device_is_one_line_and_starts_nothing() -> None:
    program = "import threading, handler; assert threading.active_count() == 1"
    result = run(program, environment(DEEPLENS_CAMERA="webcam"))
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert "DEEPLENS_CAMERA: given 'webcam', expected one of 'folder:camera'" in result.stdout


def test_a_wrong_setting_on_a_core_device_is_in_the_heartbeat(
    tmp_path: Path, core: Core, functions: list[Function]
) -> None:
    function = Function(tmp_path, environment(DEEPLENS_THRESHOLD="high") | core.environment)
    functions.append(function)
    eventually(core.reported)
    assert function.end() == 0
    failing, *stopped = core.reported()
    assert failing["status"] == "failing"
    assert failing["last_error"]["type"] == "SettingsError"
    assert failing["last_error"]["message"].startswith("DEEPLENS_THRESHOLD: given 'high'")
    assert [report["status"] for report in stopped] == ["stopped"]
    assert core.messages() == []


@pytest.mark.parametrize("kind", ["damaged", "fifo"])
def test_the_function_is_imported_with_any_model_and_reports_its_error(
    tmp_path: Path, core: Core, functions: list[Function], kind: str
) -> None:
    artifact = tmp_path / "model.zip"
    # A reader of a FIFO would block until a writer opens it.
    os.mkfifo(artifact) if kind == "fifo" else artifact.write_bytes(b"no artifact")
    function = Function(tmp_path, environment() | core.environment)
    functions.append(function)
    assert function.was_imported
    eventually(core.messages)
    assert function.end() == 0, function.printed()
    error = core.messages()[0]["error"]
    assert error["type"] == "ArtifactError"
    assert "model.zip" in error["message"]
    assert core.reported()[-1]["status"] == "stopped"
    assert "Traceback" not in function.printed()


def test_without_greengrass_the_function_continues(
    tmp_path: Path, functions: list[Function]
) -> None:
    nowhere = Core(tmp_path / "nowhere.socket")
    function = Function(tmp_path, environment() | nowhere.environment)
    functions.append(function)
    eventually(lambda: "(occurrence 2)" in function.printed())
    assert function.process.poll() is None
    eventually(lambda: "IPC cannot be reached" in function.printed())
    with serving(nowhere):
        eventually(nowhere.reported)
    assert function.end() == 0, function.printed()


def test_a_core_that_never_responds_does_not_delay_the_end(
    tmp_path: Path, functions: list[Function]
) -> None:
    silent_core = Core(tmp_path / "silent.socket")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(silent_core.socket))
        silent.listen()
        function = Function(tmp_path, environment() | silent_core.environment)
        functions.append(function)
        # The function has a thread that is connected and waits for a response.
        silent.settimeout(HANG_SECONDS)
        connection, _ = silent.accept()
        with connection:
            assert function.end() == 0, function.printed()


def test_sigterm_ends_the_function_cleanly_without_a_runtime_that_handles_it(
    tmp_path: Path, core: Core
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "import handler, time; time.sleep(600)"],
        cwd=tmp_path,
        env={"PYTHONPATH": PYTHON_PATH, **environment(), **core.environment},
    )
    eventually(core.reported)
    process.send_signal(signal.SIGTERM)
    assert process.wait(HANG_SECONDS) == 0
    assert core.reported()[-1]["status"] == "stopped"
