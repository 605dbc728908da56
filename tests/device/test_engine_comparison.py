"""The comparison of TensorFlow and OpenVINO, which runs both engines in a separate process."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from camera import engine_comparison
from camera.engine_comparison import EngineComparison, largest_difference
from camera.frames import Frame
from camera.live_view import LiveView
from model_tools.artifact.archive import unpack_artifact
from model_tools.samples.shapes.drawing import draw_image
from shared.vision.detections import Box, Detection
from testkit.pinned import pinned_artifact
from testkit.waiting import HANG_SECONDS, eventually
from tests.device.browser import CHROMIUM, Page, browsing

STAR = Detection("star", 0.9, Box(0.2, 0.2, 0.8, 0.6))
PICTURE = draw_image(np.random.default_rng(3), 512, 384)[0]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack_artifact(pinned_artifact(), tmp_path_factory.mktemp("shapes")).directory


@pytest.fixture
def compared() -> Iterator[EngineComparison]:
    made = EngineComparison()
    yield made
    made.stop()


def answer(compared: EngineComparison) -> dict[str, Any]:
    """Request comparisons until the engines are loaded; return the result."""
    return eventually(
        lambda: (result := compared.compare(PICTURE))["state"] != "loading" and result,
        "it is still loading",
        seconds=2 * HANG_SECONDS,
        pause=0.1,
    )


def test_without_tensorflow_the_reason_names_it(
    compared: EngineComparison, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        engine_comparison, "find_spec", lambda name: None if name == "tensorflow" else 1
    )
    compared.use(artifact)
    result = compared.compare(PICTURE)
    assert result == {"state": "unavailable", "why": "TensorFlow is not installed on this device"}


def test_before_a_model_runs_the_comparison_is_unavailable(compared: EngineComparison) -> None:
    assert compared.compare(PICTURE) == {"state": "unavailable", "why": "no model runs yet"}


@pytest.mark.process
def test_a_model_that_cannot_be_opened_is_reported_and_not_retried(
    compared: EngineComparison, tmp_path: Path
) -> None:
    compared.use(tmp_path)
    result = answer(compared)
    assert result["state"] == "unavailable"
    assert "manifest.json: cannot be read" in result["why"]
    assert compared.compare(PICTURE) == result


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        ([], [], 0.0),
        ([Detection("a", 0.9)], [Detection("a", 0.7)], 0.2),
        ([Detection("a", 0.9)], [Detection("b", 0.7)], 0.9),
        ([Detection("a", 0.05)], [], 0.0),
        ([], [Detection("a", 0.6)], 0.6),
        (
            [Detection("a", 0.9, Box(0, 0, 1, 1)), Detection("a", 0.6, Box(0, 0, 0.2, 0.2))],
            [Detection("a", 0.8, Box(0, 0, 1, 0.9)), Detection("a", 0.6, Box(0, 0, 0.2, 0.2))],
            0.1,
        ),
    ],
)
def test_the_largest_difference_is_that_of_the_same_object(
    first: list[Detection], second: list[Detection], difference: float
) -> None:
    assert largest_difference(first, second) == pytest.approx(difference)


@pytest.mark.process
def test_the_process_ends_without_requests(
    compared: EngineComparison, artifact: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared.use(artifact)
    assert compared.compare(PICTURE)["state"] == "loading"
    process = compared._process  # noqa: SLF001 - the test checks the end of this process
    assert process is not None
    compared.end_if_idle()
    assert process.poll() is None
    monkeypatch.setattr(engine_comparison, "_IDLE_SECONDS", 0.0)
    compared.end_if_idle()
    assert process.poll() is not None


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")
def test_a_browser_shows_both_results_of_the_same_frame(artifact: Path, tmp_path: Path) -> None:
    view = LiveView(port=0, thing="front-door", threshold=0.5, state_directory=tmp_path / "state")
    view.comparison.use(artifact)
    stop = threading.Event()

    def show() -> None:
        while not stop.wait(0.2):
            view.observe(Frame(PICTURE, datetime.now(UTC), "scene.png"), [STAR], 4.0)

    async def look() -> Page:
        async with browsing(view.address, tmp_path / "profile") as page:
            await page.until("document.getElementById('source').textContent.includes('scene')")
            assert await page.value("document.getElementById('both').hidden"), "off until asked"
            assert view.comparison._process is None  # noqa: SLF001 - before the request, no process may run
            await page.value("document.getElementById('compare').click()")
            words = "document.getElementById('both-words').textContent"
            await page.until(f"{words}.includes('load') || {words}.includes('differ')")
            await page.until(f"{words}.includes('differ by at most')")
            for name in ("tensorflow", "openvino"):
                milliseconds = f"document.getElementById('{name}-ms').textContent"
                assert float((await page.value(milliseconds)).removesuffix(" ms")) > 0
            assert float((await page.value(words)).split()[-1].rstrip(".")) < 1e-3
            assert await page.value("document.getElementById('image').hidden"), "twice is enough"
            await page.screenshot(tmp_path / "both.png")
            await page.value("document.getElementById('compare').click()")
            await page.until("document.getElementById('both').hidden")
            return page

    threads = [threading.Thread(target=view.run), threading.Thread(target=show)]
    for thread in threads:
        thread.start()
    try:
        page = asyncio.run(look())
    finally:
        stop.set()
        view.stop()
        for thread in threads:
            thread.join(HANG_SECONDS)
    assert page.errors == []
    with Image.open(tmp_path / "both.png") as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    # The page shows the grey star once for each engine.
    columns = (np.abs(pixels - [160, 160, 185]).max(axis=2) < 20).any(axis=0).nonzero()[0]
    gaps = np.diff(columns[columns < 900])
    assert (gaps > 50).sum() == 1
