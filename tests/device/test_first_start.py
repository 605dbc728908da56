"""The first start of a generic camera: Python environment, heartbeat and end."""

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import jsonschema
import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from camera.greengrass import GreengrassPublisher
from first_start.greengrass_ipc import IpcError, publish_to_iot_core
from first_start.heartbeat import InstallationHeartbeat
from first_start.installation import install, installed_percent
from local_aws.core_device.ipc import encode
from testkit.greengrass_ipc import TOKEN, Core, serving
from testkit.waiting import HANG_SECONDS, eventually
from tests.device.schemas import INSTALLATION_HEARTBEAT
from tests.python_3_12 import python_3_12
from tests.unit.runtime.wheelhouse import archive, unpacked, wheel

pytestmark = pytest.mark.process

SOURCES = Path(__file__).parents[2] / "lambda_src/inference"
TOPIC = "$aws/things/front-door/shadow/name/deeplens/update"
FUNCTION = "arn:aws:lambda:eu-central-1:111111111111:function:deeplens-dev-inference:7"
# A program that runs in place of the camera, and prints its Python environment.
CAMERA = "import sys\nprint(sys.prefix)\n"


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    made = Core(tmp_path / "ipc.socket")
    with serving(made):
        yield made


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    tiny = wheel(tmp_path / "wheels", "tiny")
    return unpacked(archive(tmp_path / "built", tiny), tmp_path / "runtime")


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """A function folder whose camera only prints its Python environment."""
    folder = tmp_path / "function"
    (folder / "camera").mkdir(parents=True)
    (folder / "camera/__init__.py").touch()
    (folder / "camera/__main__.py").write_text(CAMERA)
    (folder / "first_start").symlink_to(SOURCES / "first_start")
    for package in ("messages", "printable"):
        (folder / "shared").mkdir(exist_ok=True)
        (folder / "shared" / package).symlink_to(SOURCES.parent / "shared" / package)
    return folder


def slow(runtime: Path, seconds: float = HANG_SECONDS) -> Path:
    """Delay the installer by `seconds`, as on a slow device; return the runtime's folder."""
    installer = runtime / "install_runtime.py"
    text = installer.read_text()
    guard = 'if __name__ == "__main__":\n'
    assert guard in text
    installer.write_text(text.replace(guard, f"{guard}    import time; time.sleep({seconds})\n"))
    return runtime


def first_start(
    runtime: Path, environment: Path, camera: Path, **variables: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python_3_12(), "-u", "-m", "first_start", runtime, environment],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(camera),
            "AWS_IOT_THING_NAME": "front-door",
            "MY_FUNCTION_ARN": FUNCTION,
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_camera_runs_in_the_environment_that_its_first_start_creates(
    runtime: Path, camera: Path, core: Core, tmp_path: Path
) -> None:
    environment = tmp_path / "work/runtime/abc"
    for expected in ("the runtime is installed", "the runtime is there already"):
        process = first_start(runtime, environment, camera, **core.environment)
        output, errors = process.communicate(timeout=HANG_SECONDS)
        assert (process.returncode, errors) == (0, "")
        assert output == f"{expected}: {environment}\n{environment}\n"


def test_an_installation_that_fails_is_reported_with_its_reason(
    runtime: Path, camera: Path, core: Core, tmp_path: Path
) -> None:
    next((runtime / "wheels").glob("tiny-*")).unlink()
    process = first_start(runtime, tmp_path / "work/abc", camera, **core.environment)
    output, errors = process.communicate(timeout=HANG_SECONDS)
    assert (process.returncode, output) == (1, "")
    assert errors.startswith("the runtime is not installed: wheel tiny-1.0-py3-none-any.whl: ")
    # On a busy machine, the camera may report progress before the error.
    assert {(topic, qos) for topic, _, qos in core.published} == {(TOPIC, 1)}
    for _, payload, _ in core.published:
        jsonschema.validate(json.loads(payload), INSTALLATION_HEARTBEAT)
    *_, reported = core.reported()
    assert (reported["status"], reported["function"]) == ("failing", FUNCTION)
    assert reported["last_error"]["message"] == errors.strip()


def test_sigterm_ends_the_installation_and_the_next_start_repeats_it(
    runtime: Path, camera: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "work/abc"
    original = (runtime / "install_runtime.py").read_text()
    process = first_start(slow(runtime), environment, camera)
    installer = eventually(lambda: _children(process.pid))[0]
    eventually(lambda: b"install_runtime.py" in _command(installer))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=HANG_SECONDS)
    assert process.returncode == 0
    eventually(lambda: not _command(installer))
    (runtime / "install_runtime.py").write_text(original)
    again = first_start(runtime, environment, camera)
    output, _ = again.communicate(timeout=HANG_SECONDS)
    assert output.endswith(f"{environment}\n")


def test_arguments_that_cannot_work_are_one_line_with_the_usage(camera: Path) -> None:
    process = subprocess.run(
        [python_3_12(), "-m", "first_start", "only-one"],
        env={"PYTHONPATH": str(camera)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert process.stderr == (
        "usage: python3.12 -m first_start ARCHIVE ENVIRONMENT: expected 2 arguments; got 1\n"
    )


class Recorded:
    """A recorder of progress that lets the installer end after the second report."""

    def __init__(self, release: Path) -> None:
        self.interval_seconds = 0.01
        self.percents: list[int] = []
        self._release = release

    def installing(self, percent: int, seconds: float) -> None:
        assert seconds > 0
        self.percents.append(percent)
        if len(self.percents) == 2:
            self._release.touch()


def test_progress_is_reported_until_the_installer_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("first_start.installation._FIRST_REPORT_SECONDS", 0.01)
    runtime, environment, release = tmp_path / "runtime", tmp_path / "work/abc", tmp_path / "go"
    runtime.mkdir()
    (runtime / "runtime.json").write_text('{"installed_bytes": 1000}')
    (runtime / "install_runtime.py").write_text(
        "import pathlib, time\n"
        f"partial = pathlib.Path({str(tmp_path / 'work/.abc.partial')!r})\n"
        "partial.mkdir(parents=True)\n"
        "(partial / 'half').write_bytes(bytes(500))\n"
        f"while not pathlib.Path({str(release)!r}).exists(): time.sleep(0.01)\n"
    )
    progress = Recorded(release)
    assert install(runtime, environment, progress) is None
    assert len(progress.percents) >= 2
    assert set(progress.percents) <= {0, 50}


@pytest.mark.parametrize(
    ("manifest", "percent"),
    [('{"installed_bytes": 1000}', 50), ('{"installed_bytes": 400}', 99), ("[]", 0), ("{", 0)],
)
def test_the_share_is_never_complete_before_the_end(
    manifest: str, percent: int, tmp_path: Path
) -> None:
    (tmp_path / ".abc.partial").mkdir()
    (tmp_path / ".abc.partial/half").write_bytes(bytes(500))
    (tmp_path / "runtime.json").write_text(manifest)
    assert installed_percent(tmp_path, tmp_path / "abc") == percent


def test_the_heartbeat_of_an_installation_replaces_that_of_the_release_before() -> None:
    sent: list[tuple[str, bytes]] = []
    heartbeat = InstallationHeartbeat(
        thing="front-door",
        function_arn=FUNCTION,
        interval_seconds=60.0,
        publish=lambda topic, payload: sent.append((topic, payload)),
    )
    heartbeat.installing(40, 31.4)
    [(topic, payload)] = sent
    document = json.loads(payload)
    jsonschema.validate(document, INSTALLATION_HEARTBEAT)
    assert topic == TOPIC
    reported = document["state"]["reported"]
    assert reported["installation"] == {"percent": 40, "seconds": 31}
    assert (reported["status"], reported["model"], reported["frames"]) == ("installing", None, 0)


@pytest.mark.parametrize("interval", ["", "soon", "0", "-1", "nan", "inf", "1e12"])
def test_a_wrong_interval_does_not_stop_an_installation(interval: str) -> None:
    heartbeat = InstallationHeartbeat.of({"DEEPLENS_HEARTBEAT_INTERVAL_SECONDS": interval})
    assert heartbeat.interval_seconds == 60.0


def test_a_core_that_does_not_respond_does_not_stop_an_installation(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SVCUID", raising=False)
    heartbeat = InstallationHeartbeat.of({"AWS_IOT_THING_NAME": "front-door"})
    heartbeat.installing(1, 5.0)
    heartbeat.installing(2, 65.0)
    assert capsys.readouterr().err.count("heartbeat not sent: ") == 1


def test_the_requests_are_those_of_awss_device_sdk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both clients send the same requests, which botocore decodes."""
    payload = bytes(range(256))
    monkeypatch.setenv("SVCUID", TOKEN)
    received = []
    for name in ("ours", "sdk"):
        path = tmp_path / name
        monkeypatch.setenv("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", str(path))
        with RawServer(path) as server:
            if name == "ours":
                publish_to_iot_core("a/topic", payload)
            else:
                publisher = GreengrassPublisher(timeout_seconds=HANG_SECONDS)
                publisher.publish("a/topic", payload)
                publisher.close()
            received.append(server.requests[:2])
    (our_connect, our_publish), (sdk_connect, sdk_publish) = received
    assert _meaning(our_connect) == _meaning(sdk_connect)
    assert _meaning(our_publish) == _meaning(sdk_publish)


def test_a_message_reaches_the_core_with_every_byte(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in core.environment.items():
        monkeypatch.setenv(name, value)
    publish_to_iot_core("a/topic", bytes(range(256)))
    assert core.published == [("a/topic", bytes(range(256)), 1)]


def test_a_message_that_the_core_rejects_is_one_error(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in core.environment.items():
        monkeypatch.setenv(name, value)
    core.refused_topics.add("a/topic")
    with pytest.raises(IpcError, match=r"a/topic: Greengrass responds with .*UnauthorizedError"):
        publish_to_iot_core("a/topic", b"{}")
    monkeypatch.setenv("SVCUID", "another component's")
    with pytest.raises(IpcError, match="does not accept the token"):
        publish_to_iot_core("a/topic", b"{}")
    monkeypatch.setenv("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", "/nowhere/socket")
    with pytest.raises(IpcError, match="FileNotFoundError"):
        publish_to_iot_core("a/topic", b"{}")


@given(response=st.binary(max_size=80))
def test_a_response_that_is_not_a_message_is_one_error(response: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        ours, theirs = socket.socketpair()
        theirs.sendall(response)
        theirs.shutdown(socket.SHUT_WR)
        patch.setattr(socket.socket, "connect", lambda *_: None)
        patch.setattr("first_start.greengrass_ipc.socket.socket", lambda *_: ours)
        patch.setenv("SVCUID", TOKEN)
        patch.setenv("AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT", "unused")
        with theirs, pytest.raises(IpcError):
            publish_to_iot_core("a/topic", b"{}")


class RawServer:
    """A server that accepts all requests, and records the output of botocore's decoder."""

    def __init__(self, path: Path) -> None:
        self.requests: list[dict[str, Any]] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(HANG_SECONDS)
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        buffer = EventStreamBuffer()
        with connection:
            while data := connection.recv(1 << 16):
                buffer.add_data(data)
                for message in buffer:
                    request = message.to_response_dict()
                    self.requests.append(request)
                    if (answer := self._answer(request["headers"])) is not None:
                        connection.sendall(answer)

    @staticmethod
    def _answer(headers: dict[str, Any]) -> bytes | None:
        common: dict[str, str | int] = {":version": "0.1.0", ":content-type": "application/json"}
        if headers[":message-type"] == 4:
            accepted = {":message-type": 5, ":message-flags": 1, ":stream-id": 0}
            return encode({**accepted, **common}, b"")
        if headers.get("operation"):
            ended = {":message-type": 0, ":message-flags": 2, ":stream-id": headers[":stream-id"]}
            kind = {"service-model-type": "aws.greengrass#PublishToIoTCoreResponse"}
            return encode({**ended, **common, **kind}, b"{}")
        return None


def _meaning(request: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    return request["headers"], json.loads(request["body"])


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(number) for number in text.split()]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
