"""After a signal, the camera's process stores all messages, closes the spool and exits with 0.

`make test-shutdown` runs these tests on each supported Python of the machine. `make test` runs them
on the Python of .venv-device. Both test each pair of option values; SHUTDOWN_OPTIONS=all tests
every combination.
"""

import contextlib
import json
import os
import signal
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from itertools import combinations, product
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import pytest

from model_tools.samples.shapes.drawing import write_scenes
from shared.vision.engine import ENGINES
from testkit.greengrass_ipc import Core
from testkit.waiting import HANG_SECONDS, eventually
from tests.device.bench import THING, environment
from tests.device.conftest import Unpacked
from tests.device.device_pythons import device_pythons
from tests.device.hosts import HOSTS, Host, start

pytestmark = [pytest.mark.process, pytest.mark.slow]

OPTIONS: Mapping[str, tuple[str, ...]] = {
    "host": HOSTS,
    "engine": ENGINES,
    "camera": ("folder:camera", "video:street.avi"),
    "live view": ("", "0"),
    "crops": ("[]", "[0.0, 1.0]"),
    "drift": ("0", "0.01", "0.5"),
}
# The default values of crops and drift, which apply without a shadow.
_WITHOUT_SHADOW = ("[]", "0.5")
# A threshold below the scores of all shapes in the scenes, so each frame causes a message.
_THRESHOLD = "0.05"
_SCENES = 5
_SHADOW = f"$aws/things/{THING}/shadow/name/deeplens"


def every_combination() -> list[tuple[str, ...]]:
    """Return all combinations of options.

    A DeepLens has no shadow, so crops and drift have their defaults there.
    """
    combinations = product(*OPTIONS.values())
    return [row for row in combinations if row[0] != "deeplens" or row[-2:] == _WITHOUT_SHADOW]


def every_pair() -> list[tuple[str, ...]]:
    """Return combinations that contain each pair of values of two options."""
    rows = every_combination()
    pairs = {row: set(combinations(enumerate(row), 2)) for row in rows}
    missing = set().union(*pairs.values())
    chosen = []
    while missing:
        row = max(rows, key=lambda row: len(pairs[row] & missing))
        chosen.append(row)
        missing -= pairs[row]
    return chosen


@pytest.fixture(params=device_pythons().items(), ids=lambda version: version[0])
def python(request: pytest.FixtureRequest) -> str:
    """The Python interpreter of the camera."""
    path: str = request.param[1]
    return path


@pytest.fixture
def running(request: pytest.FixtureRequest) -> Iterator[list[Host]]:
    """A list of running functions, which the fixture kills after the test."""
    del request
    hosts: list[Host] = []
    yield hosts
    for host in hosts:
        host.process.kill()
        host.process.wait()


@pytest.fixture
def variables(tmp_path: Path, shapes: Unpacked) -> dict[str, str]:
    """The environment variables of a camera with the shapes model and images in `tmp_path`."""
    write_scenes(tmp_path / "camera", _SCENES, seed=3)
    return environment(
        DEEPLENS_MODEL_ARTIFACT=str(shapes.archive),
        DEEPLENS_MODEL_DIRECTORY=str(shapes.directory),
        DEEPLENS_MODEL_DIGEST=shapes.digest,
        DEEPLENS_THRESHOLD=_THRESHOLD,
        DEEPLENS_FRAME_INTERVAL_SECONDS="0.02",
        DEEPLENS_LIVE_VIEW_PORT="0",
    )


def write_video(scenes: Path, file: Path) -> None:
    images = [cv2.imread(str(scene)) for scene in sorted(scenes.glob("*.png"))]
    height_px, width_px = images[0].shape[:2]
    writer = cv2.VideoWriter(
        str(file), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (width_px, height_px)
    )
    for image in images:
        writer.write(image)
    writer.release()


def spooled(work: Path) -> list[dict[str, Any]]:
    """Return the messages in a closed spool, oldest first."""
    file = work / "state" / "spool.sqlite"
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT payload FROM messages ORDER BY sequence").fetchall()
    return [json.loads(payload) for (payload,) in rows]


def assert_orderly(host: Host, work: Path) -> None:
    """Check that the process ended with code 0, an error-free log and a closed spool."""
    printed = host.printed()
    assert host.process.returncode == 0, printed
    for trouble in ("Traceback", "Exception ignored", "Fatal", "terminate called"):
        assert trouble not in printed, printed
    # SQLite removes these files when the last connection closes.
    left = {file.name for file in work.glob("state/spool.sqlite-*")}
    assert left == set(), printed


def assert_complete(messages: list[dict[str, Any]]) -> int:
    """Check that the message ids have no gaps; return the number of messages."""
    ids = {message["id"] for message in messages}
    (run,) = {id_.rpartition("-")[0] for id_ in ids}
    assert ids == {f"{run}-{number}" for number in range(1, len(ids) + 1)}
    return len(ids)


def handles(host: Host, number: signal.Signals) -> bool:
    """Return true if the process has a handler for the signal."""
    status = Path(f"/proc/{host.process.pid}/status").read_text(encoding="ascii")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def apply_by_shadow(host: Host, core: Core, settings: dict[str, Any]) -> None:
    """Respond to the camera's shadow request, and wait for its report of the settings."""
    requested = f"{_SHADOW}/get"
    eventually(lambda: requested in [topic for topic, _, _ in core.published], host.printed)
    core.deliver(f"{_SHADOW}/get/accepted", {"state": {"desired": {"settings": settings}}})
    eventually(lambda: settings.items() <= host.reported()[-1]["settings"].items(), host.printed)


def detections(host: Host) -> list[dict[str, Any]]:
    return [message for message in host.messages() if "detections" in message]


class Page:
    """A client of the live view with an open connection."""

    def __init__(self, work: Path) -> None:
        address = (work / "state" / "live-view.url").read_text(encoding="utf-8").strip()
        parts = urlsplit(address)
        self._path = parts.path
        self._connection = HTTPConnection(str(parts.hostname), parts.port, timeout=HANG_SECONDS)

    def frame(self, query: str = "") -> dict[str, Any]:
        """Return the document of the newest frame, or an empty dict without a frame."""
        self._connection.request("GET", f"{self._path}frame?{query}")
        document: dict[str, Any] = json.loads(self._connection.getresponse().read() or "{}")
        return document

    def close(self) -> None:
        self._connection.close()


@pytest.mark.parametrize(
    "options",
    every_combination() if os.environ.get("SHUTDOWN_OPTIONS") == "all" else every_pair(),
    ids=" ".join,
)
def test_each_combination_of_options_ends_orderly(  # noqa: PLR0913, PLR0917 - each parameter is a fixture
    tmp_path: Path,
    core: Core,
    python: str,
    variables: dict[str, str],
    running: list[Host],
    options: tuple[str, ...],
) -> None:
    chosen = dict(zip(OPTIONS, options, strict=True))
    write_video(tmp_path / "camera", tmp_path / "street.avi")
    host = start(
        chosen["host"],
        tmp_path,
        variables
        | {
            "DEEPLENS_ENGINE": chosen["engine"],
            "DEEPLENS_CAMERA": chosen["camera"],
            "DEEPLENS_LIVE_VIEW_PORT": chosen["live view"],
        },
        core,
        python,
    )
    running.append(host)
    if chosen["host"] != "deeplens":
        settings = {
            "crop_scores": json.loads(chosen["crops"]),
            "drift_threshold": float(chosen["drift"]),
        }
        apply_by_shadow(host, core, settings)
    eventually(lambda: len(detections(host)) >= 3 or host.process.poll() is not None, host.printed)
    with contextlib.ExitStack() as open_page:
        if chosen["live view"]:
            open_page.enter_context(contextlib.closing(Page(tmp_path))).frame()
        host.end()
    assert_orderly(host, tmp_path)
    assert not (tmp_path / "state" / "live-view.url").exists()
    last = host.reported()[-1]
    assert last["status"] == "stopped"
    assert assert_complete([*host.messages(), *spooled(tmp_path)]) == last["frames"]


# The test above sends a signal during inference for each combination. This test omits SIGINT at the
# start, because it interrupts Python before the handlers are installed. It also omits a second
# SIGTERM at the start of a Lambda component, because the effect of that signal depends on the host.
@pytest.mark.parametrize(
    ("host", "number", "moment", "times"),
    [
        ("lite", signal.SIGTERM, "start", "once"),
        ("lite", signal.SIGTERM, "start", "repeatedly"),
        ("lite", signal.SIGTERM, "load", "once"),
        ("lite", signal.SIGTERM, "load", "repeatedly"),
        ("lite", signal.SIGTERM, "inference", "repeatedly"),
        ("lite", signal.SIGINT, "load", "repeatedly"),
        ("lite", signal.SIGINT, "inference", "once"),
        ("classic", signal.SIGTERM, "start", "once"),
        ("classic", signal.SIGTERM, "load", "once"),
        ("classic", signal.SIGTERM, "load", "repeatedly"),
        ("classic", signal.SIGTERM, "inference", "repeatedly"),
    ],
)
def test_signals_end_the_camera_orderly_at_any_moment(  # noqa: PLR0913, PLR0917 - each parameter is a fixture or a value
    tmp_path: Path,
    core: Core,
    python: str,
    variables: dict[str, str],
    running: list[Host],
    host: str,
    number: signal.Signals,
    moment: str,
    times: str,
) -> None:
    # TensorFlow needs seconds to load, so the signal arrives in time.
    engine = "tensorflow" if moment == "load" else "openvino"
    started = start(host, tmp_path, variables | {"DEEPLENS_ENGINE": engine}, core, python)
    running.append(started)
    moments = {
        "start": lambda: handles(started, number),
        "load": (tmp_path / "state" / "live-view.url").exists,
        "inference": lambda: detections(started),
    }
    eventually(lambda: moments[moment]() or started.process.poll() is not None, started.printed)
    started.process.send_signal(number)
    while times == "repeatedly" and started.process.poll() is None:
        started.process.send_signal(number)
        time.sleep(0.002)
    started.process.wait(HANG_SECONDS)
    assert_orderly(started, tmp_path)
    if moment == "inference":
        assert_complete([*started.messages(), *spooled(tmp_path)])


@pytest.mark.parametrize("host", ["lite", "classic"])
@pytest.mark.parametrize("outage", ["refuses", "silent"])
def test_during_an_outage_every_message_stays_in_the_closed_spool(  # noqa: PLR0913, PLR0917 - each parameter is a fixture
    tmp_path: Path,
    python: str,
    variables: dict[str, str],
    running: list[Host],
    host: str,
    outage: str,
) -> None:
    core = Core(tmp_path / "core.socket")
    with socket.socket(socket.AF_UNIX) as silent:
        if outage == "silent":
            silent.bind(str(core.socket))
            silent.listen()
        started = start(host, tmp_path, variables, core, python)
        running.append(started)
        # The camera creates the file before writing the address.
        address = tmp_path / "state" / "live-view.url"
        eventually(lambda: address.exists() and address.stat().st_size, started.printed)
        with contextlib.closing(Page(tmp_path)) as page:
            eventually(lambda: page.frame().get("number", 0) >= 3, started.printed)
        started.end()
    assert_orderly(started, tmp_path)
    assert assert_complete(spooled(tmp_path)) >= 3


def test_the_process_that_compares_engines_ends_with_the_camera(
    tmp_path: Path, core: Core, python: str, variables: dict[str, str], running: list[Host]
) -> None:
    host = start("lite", tmp_path, variables, core, python)
    running.append(host)
    eventually(lambda: detections(host), host.printed)
    pid = host.process.pid
    with contextlib.closing(Page(tmp_path)) as page:
        assert page.frame("compare=1")["compared"]["state"] == "loading"
        # Linux lists a process as a child of the thread that started it.
        lists = [file.read_text("ascii") for file in Path(f"/proc/{pid}/task").glob("*/children")]
        (child,) = " ".join(lists).split()
        host.end()
    assert_orderly(host, tmp_path)
    assert not Path(f"/proc/{child}").exists()
