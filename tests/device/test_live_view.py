"""The live view sends the newest frames to clients with its token, on loopback only."""

import base64
import io
import json
import queue
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import numpy as np
import pytest
from PIL import Image

from camera.application import Application, Parts, open_live_view
from camera.dynamic_settings import DynamicSettings
from camera.frames import Frame
from camera.inference import RunnableModel
from camera.live_view import LiveView
from camera.settings import Settings
from camera.spool import Spool
from shared.messages.heartbeat import ModelIdentity
from shared.vision.detections import Box, Detection
from testkit.waiting import HANG_SECONDS, eventually

CAT = Detection("cat", 0.91, Box(0.2, 0.1, 0.8, 0.6))
DOG = Detection("<b>dog</b>", 0.4, Box(0.5, 0.55, 0.9, 0.95))


@pytest.fixture
def view(tmp_path: Path) -> Iterator[LiveView]:
    made = LiveView(port=0, thing="front-door", threshold=0.5, state_directory=tmp_path / "state")
    thread = threading.Thread(target=made.run)
    thread.start()
    eventually((tmp_path / "state/live-view.url").exists)
    yield made
    made.stop()
    thread.join(HANG_SECONDS)
    assert not thread.is_alive()


class Engine:
    """An engine that detects a cat in every frame."""

    name = "openvino"
    fallback = None

    def infer(self, image: Any) -> list[Detection]:  # noqa: ARG002 - the protocol defines the name
        return [CAT]


class OneScene:
    """A camera that returns one scene."""

    is_live = is_stream = False

    def capture(self) -> Frame:
        return scene()

    def close(self) -> None: ...


class OneModel:
    """A provider of one model."""

    def load(self) -> RunnableModel:
        return loaded(labels=("bird", "cat"))

    def frame_done(self) -> None: ...

    def withdraw(self) -> None: ...


class Nobody:
    """A publisher that ignores every message."""

    def publish(self, topic: str, payload: bytes) -> None: ...

    def close(self) -> None: ...


def loaded(**properties: Any) -> RunnableModel:
    return RunnableModel(ModelIdentity("shapes", "1.0.0", "cd" * 32), Engine(), **properties)


def scene(width_px: int = 640, height_px: int = 480) -> Frame:
    """Return a frame with a light square, the cat, on a dark background."""
    image = np.full((height_px, width_px, 3), 40, np.uint8)
    image[
        int(0.2 * height_px) : int(0.8 * height_px), int(0.1 * width_px) : int(0.6 * width_px)
    ] = (
        200,
        170,
        120,
    )
    return Frame(image, datetime.now(UTC), "yard.png")


def get(address: str, **headers: str) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(address, headers=headers)  # noqa: S310 - the server of this test
    try:
        with urllib.request.urlopen(request, timeout=HANG_SECONDS) as answer:  # noqa: S310 - the server of this test
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_the_newest_frame_has_its_detections(view: LiveView) -> None:
    view.observe(scene(), [DOG], 5.0)
    view.observe(scene(1920, 1080), [CAT], 12.5)
    status, _, content = get(f"{view.address}frame?after=0")
    assert status == 200
    frame = json.loads(content)
    assert frame["number"] == 2
    assert (frame["width_px"], frame["height_px"]) == (1920, 1080)
    assert frame["inference_ms"] == 12.5
    assert frame["detections"] == [
        {"label": "cat", "score": 0.91, "box": {"ymin": 0.2, "xmin": 0.1, "ymax": 0.8, "xmax": 0.6}}
    ]
    with Image.open(io.BytesIO(base64.b64decode(frame["picture"]))) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (960, 540)


def test_a_request_after_the_newest_frame_waits_for_the_next(view: LiveView) -> None:
    view.observe(scene(), [], 5.0)
    assert get(f"{view.address}frame?after=1")[0] == 204
    answers: queue.Queue[tuple[int, Any, bytes]] = queue.Queue()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answers.put(get(f"{view.address}frame?after=1"))

    asking = threading.Thread(target=ask)
    asking.start()
    # Only one request at a time waits for the next frame; the others receive the status 204.
    assert answers.get(timeout=HANG_SECONDS)[0] == 204
    view.observe(scene(), [CAT], 5.0)
    while (answer := answers.get(timeout=HANG_SECONDS))[0] == 204:
        pass
    stop.set()
    asking.join(HANG_SECONDS)
    status, _, content = answer
    assert status == 200
    assert json.loads(content)["number"] == 2


@pytest.mark.parametrize("after", ["", "x", "-1", "9" * 5000, "1;2", "٣"])
def test_a_wrong_number_is_ignored(view: LiveView, after: str) -> None:
    view.observe(scene(), [CAT], 5.0)
    address = f"{view.address}frame?after={urllib.request.quote(after)}"  # type: ignore[attr-defined]
    assert get(address)[0] == 200


@pytest.mark.parametrize("path", ["", "/", "/wrong/", "/wrong/frame", "/%00/", "/../"])
def test_without_the_token_the_response_is_not_found(view: LiveView, path: str) -> None:
    host = re.match(r"http://[^/]+", view.address)
    assert host
    status, _, content = get(f"{host[0]}{path}")
    assert status == 404
    assert content.startswith(
        b"This address has expired. The current address is in the file live-v"
    )


def test_an_address_without_its_slash_is_redirected_to_the_page(view: LiveView) -> None:
    connection = HTTPConnection("127.0.0.1", int(view.address.split(":")[2].split("/")[0]))
    connection.request("GET", urlsplit(view.address).path.rstrip("/"))
    answer = connection.getresponse()
    assert answer.status == 308
    assert urljoin(view.address.rstrip("/"), answer.headers["Location"]) == view.address
    connection.close()


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "localhost"])
def test_a_forwarded_port_has_another_number(view: LiveView, host: str) -> None:
    assert get(view.address, Host=host)[0] == 200


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "localhost:x", ""])
def test_names_that_only_resemble_the_loopback_are_rejected(view: LiveView, host: str) -> None:
    assert get(view.address, Host=host)[0] == 403


def test_the_view_gets_the_model_and_the_current_limit(tmp_path: Path) -> None:
    settings = Settings(
        thing="front-door",
        function_arn=None,
        artifact=tmp_path / "model.zip",
        model_directory=tmp_path / "model",
        model_digest="cd" * 32,
        camera="folder:images",
        engine="openvino",
        topic="detections",
        heartbeat_interval_seconds=60.0,
        dynamic=DynamicSettings(threshold=0.5, frame_interval_seconds=0.25),
        state_directory=tmp_path / "state",
        live_view_port=0,
    )
    live_view = open_live_view(settings)
    assert live_view is not None
    application = Application(
        settings,
        Parts(
            camera=OneScene(),
            models=OneModel(),
            publisher=Nobody(),
            subscriber=None,
            spool=Spool.in_memory(),
            live_view=live_view,
        ),
    )
    application.start()
    try:
        status, _, content = eventually(
            lambda: (answer := get(f"{live_view.address}frame"))[0] == 200 and answer
        )
    finally:
        application.stop(HANG_SECONDS)
    frame = json.loads(content)
    assert (status, frame["model"]["version"], frame["model"]["engine"]) == (
        200,
        "1.0.0",
        "openvino",
    )
    assert frame["limit_frames_per_second"] == 4.0
    assert frame["label_indexes"] == {"cat": 1}


def test_labels_have_the_indexes_of_their_classes(view: LiveView) -> None:
    view.use(loaded(labels=("bird", "cat")))
    view.observe(scene(), [DOG, CAT], 5.0)
    frame = json.loads(get(f"{view.address}frame?after=0")[2])
    assert frame["label_indexes"] == {"cat": 1, "<b>dog</b>": 2}


def test_the_running_model_comes_with_each_frame(view: LiveView) -> None:
    view.observe(scene(), [], 5.0)
    assert json.loads(get(f"{view.address}frame?after=0")[2])["model"] is None
    view.use(loaded(signed_by="ab" * 32, fallback_cause=ValueError("x" * 5000)))
    assert json.loads(get(f"{view.address}frame?after=0")[2])["model"] == {
        "name": "shapes",
        "version": "1.0.0",
        "digest": "cd" * 32,
        "engine": "openvino",
        "signed_by": "ab" * 32,
        "instead": "x" * 300,
    }


def test_a_page_of_another_site_cannot_use_another_host_name(view: LiveView) -> None:
    assert get(view.address, Host="evil.example")[0] == 403
    assert (
        get(view.address, Host=f"evil.example:{view.address.split(':')[2].split('/')[0]}")[0] == 403
    )


@pytest.mark.process
def test_it_listens_on_the_loopback_only(view: LiveView) -> None:
    assert view.address.startswith("http://127.0.0.1:")
    assert view._server.server_address[0] == "127.0.0.1"  # noqa: SLF001 - the test checks the server's address


def test_only_get_requests_are_accepted(view: LiveView) -> None:
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        request = urllib.request.Request(view.address, method=method, data=b"")  # noqa: S310 - the server of this test
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=HANG_SECONDS)  # noqa: S310 - the server of this test
        assert refused.value.code == 501
        refused.value.close()


def test_the_page_may_load_nothing_from_other_hosts(view: LiveView) -> None:
    _, headers, content = get(view.address)
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:; connect-src 'self'; ")
    assert "unsafe" not in policy
    assert headers["Referrer-Policy"] == "no-referrer"
    page = content.decode()
    assert not re.search(r"https?://|src=|href=|\{\{", page)
    nonces = set(re.findall(r'nonce="([^"]+)"', page))
    assert len(nonces) == 1
    assert f"script-src 'nonce-{nonces.pop()}'" in policy


def test_the_address_is_readable_by_the_cameras_user_and_removed_with_the_view(
    tmp_path: Path,
) -> None:
    view = LiveView(port=0, thing="x", threshold=0.5, state_directory=tmp_path)
    thread = threading.Thread(target=view.run)
    thread.start()
    file = tmp_path / "live-view.url"
    eventually(lambda: file.exists() and file.read_text())
    assert file.read_text().strip() == view.address
    assert file.stat().st_mode & 0o077 == 0
    view.stop()
    thread.join(HANG_SECONDS)
    assert not file.exists()


def test_a_view_that_was_not_started_can_be_stopped(tmp_path: Path) -> None:
    LiveView(port=0, thing="x", threshold=0.5, state_directory=tmp_path).stop()


def test_a_port_in_use_is_an_error(view: LiveView, tmp_path: Path) -> None:
    port = int(view.address.split(":")[2].split("/")[0])
    with pytest.raises(OSError, match="in use"):
        LiveView(port=port, thing="x", threshold=0.5, state_directory=tmp_path)
