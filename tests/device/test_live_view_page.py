"""The live view's page in a real browser: requests, boxes, labels, charts, themes, accessibility.

No test measures time, because scripts in the page record its requests and timers.
"""

import asyncio
import colorsys
import itertools
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from camera.dynamic_settings import CurrentSettings, DynamicSettings
from camera.frames import Frame
from camera.inference import RunnableModel
from camera.live_view import LiveView
from shared.messages.heartbeat import ModelIdentity
from shared.vision.detections import Box, Detection
from testkit.waiting import HANG_SECONDS
from tests.device.browser import CHROMIUM, LOW_CONTRAST, Browser, Page, running_browser

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]

CAT = Detection("cat", 0.91, Box(0.2, 0.1, 0.8, 0.6))
DOG = Detection("<b>dog</b>", 0.4, Box(0.5, 0.55, 0.9, 0.95))
LABELS = ("cat", "<b>dog</b>", *(f"class-{number}" for number in range(2, 13)))
DIGEST, KEY = "8794c057ebc7" + "0" * 52, "1a2b3c4d5e6f" + "f" * 52

# A script that records requests and pauses, and ends every pause of the page immediately.
FAKE_TIMERS = """
  window.requests = []; window.pauses = [];
  const request = window.fetch, wait = window.setTimeout;
  window.fetch = (...given) => { requests.push(String(given[0])); return request(...given); };
  window.setTimeout = (go, ms) => { pauses.push(ms); return wait(go, 0); };
"""
# A script that records drawn boxes and letters with their sizes in CSS pixels.
DRAWN = """
  window.boxes = []; window.letters = [];
  const pen = CanvasRenderingContext2D.prototype, { strokeRect, fillText } = pen;
  const css = canvas => canvas.clientWidth / canvas.width;
  pen.strokeRect = function (...given) {
    boxes.push({ ink: this.strokeStyle, px: this.lineWidth * css(this.canvas), at: given });
    return strokeRect.apply(this, given);
  };
  pen.fillText = function (...given) {
    letters.push({ text: given[0], px: parseFloat(this.font.match(/([\\d.]+)px/)[1]) * css(this.canvas) });
    return fillText.apply(this, given);
  };
"""  # noqa: E501 - the lines are JavaScript
WORDS = "document.getElementById('words').textContent"
SOURCE = "document.getElementById('source').textContent"


class Engine:
    """The engine of a loaded model, which no test runs."""

    name = "openvino"

    def infer(self, image: Any) -> list[Detection]:
        raise NotImplementedError


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with running_browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def view(tmp_path: Path) -> Iterator[LiveView]:
    made = LiveView(port=0, thing="front-door", threshold=0.5, state_directory=tmp_path / "state")
    made.settings = CurrentSettings(DynamicSettings(threshold=0.5, frame_interval_seconds=0.5))
    made.use(model())
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.stop()
    thread.join(HANG_SECONDS)
    assert not thread.is_alive()


def model(signed_by: str | None = KEY, fallback_cause: Exception | None = None) -> RunnableModel:
    return RunnableModel(
        ModelIdentity("shapes", "1.0.0", DIGEST),
        Engine(),
        fallback_cause=fallback_cause,
        labels=LABELS,
        signed_by=signed_by,
    )


def scene(width_px: int = 640, height_px: int = 480) -> Frame:
    """Return a frame with a light rectangle at the box of `CAT`, on a dark background."""
    image = np.full((height_px, width_px, 3), 40, np.uint8)
    rows = slice(int(0.2 * height_px), int(0.8 * height_px))
    image[rows, int(0.1 * width_px) : int(0.6 * width_px)] = (200, 170, 120)
    return Frame(image, datetime.now(UTC), "yard.png")


def look(
    browser: Browser,
    view: LiveView,
    steps: Callable[[Page], Coroutine[Any, Any, None]],
    **opening: Any,
) -> Page:
    """Open the live view, run `steps` in the page, and return the closed page."""

    async def looking() -> Page:
        async with browser.open(view.address, **opening) as page:
            await steps(page)
            return page

    return asyncio.run(looking())


def counted(
    view: LiveView, monkeypatch: pytest.MonkeyPatch, answers: list[HTTPStatus]
) -> list[str]:
    """Respond to the first frame requests with `answers`; return the growing list of all paths."""
    real, asked = view.answer, []

    def answer(path: str, query: str) -> tuple[HTTPStatus, str, bytes, str]:
        asked.append(path)
        if path.endswith("/frame") and answers:
            return answers.pop(0), "text/plain", b"", ""
        return real(path, query)

    monkeypatch.setattr(view, "answer", answer)
    return asked


def test_a_browser_shows_the_scene_and_requests_no_other_host(
    view: LiveView, browser: Browser, tmp_path: Path
) -> None:
    stop = threading.Event()

    def show() -> None:
        while not stop.wait(0.1):
            view.observe(scene(), [CAT, DOG], 12.5)

    async def steps(page: Page) -> None:
        await page.until(f"{WORDS} === 'live'")
        listed = "document.getElementById('detections').innerText"
        assert (await page.value(listed)).split() == ["cat", "0.910"]
        # The page's threshold selects the shown detections, and does not change the camera's
        # threshold.
        await page.value(
            "{const s = document.getElementById('threshold'); s.value = 0.3;"
            "s.dispatchEvent(new Event('input'))}"
        )
        words = (await page.value(listed)).split()
        assert words == ["cat", "0.910", "<b>dog</b>", "0.400"], "labels are text"
        number = f"Number({SOURCE}.split(' ').pop())"
        first = await page.value(number)
        await page.until(f"{number} > {first} + 3")
        # The page must reach the newest frame of the camera.
        newest = view.wait_for_frame(0).number  # type: ignore[union-attr]
        await page.until(f"{number} >= {newest}")
        await page.screenshot(tmp_path / "page.png")

    showing = threading.Thread(target=show)
    showing.start()
    try:
        page = look(browser, view, steps)
    finally:
        stop.set()
        showing.join(HANG_SECONDS)
    assert page.errors == []
    own = view.address.rstrip("/")
    assert all(address.startswith((own, "data:")) for address in page.asked), page.asked
    with Image.open(tmp_path / "page.png") as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    # The page must contain the light square inside a coloured box.
    light = np.abs(pixels - [200, 170, 120]).max(axis=2) < 12
    assert light.sum() > 20_000
    colourful = pixels.max(axis=2) - pixels.min(axis=2) > 80
    assert colourful[light.any(axis=1)].sum() > 500


def test_an_expired_address_is_requested_once_and_the_page_names_the_file(
    view: LiveView, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    view.observe(scene(), [CAT], 5.0)

    async def steps(page: Page) -> None:
        await page.until(f"{WORDS} === 'live'")
        # Each start of the camera creates another token.
        monkeypatch.setattr(view, "_token", "another")
        asked = counted(view, monkeypatch, [])
        view.observe(scene(), [CAT], 5.0)
        notice = await page.until("document.getElementById('expired').textContent")
        assert notice.startswith("This address has expired because the camera restarted")
        assert "live-view.url" in notice
        requests = await page.value("requests.length")
        assert asked.count(asked[-1]) <= 2, "one that waited for a frame, and one more"
        for _ in range(20):
            await page.value("new Promise(go => requestAnimationFrame(go))")
        assert await page.value("requests.length") == requests
        assert await page.value(WORDS) == "stopped"

    look(browser, view, steps, script=FAKE_TIMERS)


@pytest.mark.parametrize(
    "status", [HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.FORBIDDEN, HTTPStatus.BAD_GATEWAY]
)
def test_after_other_responses_the_pause_doubles_up_to_eight_seconds(
    view: LiveView, browser: Browser, monkeypatch: pytest.MonkeyPatch, status: HTTPStatus
) -> None:
    asked = counted(view, monkeypatch, [status] * 6)
    view.observe(scene(), [CAT], 5.0)

    async def steps(page: Page) -> None:
        await page.until(f"{WORDS} === 'live'")
        assert (await page.value("pauses"))[:6] == [1000, 2000, 4000, 8000, 8000, 8000]
        assert sum(path.endswith("/frame") for path in asked) <= await page.value(
            "pauses.length + 2"
        )

    look(browser, view, steps, script=FAKE_TIMERS)


def test_a_response_without_a_frame_is_followed_by_a_pause(
    view: LiveView, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted(view, monkeypatch, [HTTPStatus.NO_CONTENT] * 5)
    view.observe(scene(), [CAT], 5.0)

    async def steps(page: Page) -> None:
        await page.until(f"{WORDS} === 'live'")
        assert (await page.value("pauses"))[:5] == [100] * 5

    look(browser, view, steps, script=FAKE_TIMERS)


def test_the_address_without_its_slash_shows_the_page(view: LiveView, browser: Browser) -> None:
    view.observe(scene(), [CAT], 5.0)

    async def looking() -> None:
        async with browser.open(view.address.rstrip("/")) as page:
            await page.until(f"{WORDS} === 'live'")
            assert await page.value("location.href") == view.address

    asyncio.run(looking())


@pytest.mark.parametrize(("width_px", "scale"), [(375, 3), (1280, 1)])
@pytest.mark.parametrize("size", [(320, 240), (1920, 1080), (480, 640)])
def test_boxes_have_a_dark_outline_and_letters_are_readable(
    view: LiveView, browser: Browser, width_px: int, scale: int, size: tuple[int, int]
) -> None:
    view.observe(scene(*size), [CAT, Detection("class-2", 0.8, Box(0.0, 0.0, 0.3, 0.3))], 5.0)

    async def steps(page: Page) -> None:
        await page.resize(width_px, 700, scale=scale)
        await page.until(f"{WORDS} === 'live'")
        await page.value("boxes.length = letters.length = 0; redraw()")
        boxes, letters = await page.value("boxes"), await page.value("letters")
        assert [letter["text"] for letter in letters] == ["class-2 80 %", "cat 91 %"]
        assert all(letter["px"] >= 12 for letter in letters), letters
        for below, above in zip(boxes[::2], boxes[1::2], strict=True):
            assert below["at"] == above["at"]
            assert below["ink"] == "#0b0e11"
            assert below["px"] >= above["px"] + 2
            assert above["px"] >= 2
        assert len(boxes) == 4

    look(browser, view, steps, script=DRAWN)


def test_an_orange_box_is_visible_on_an_orange_image(
    view: LiveView, browser: Browser, tmp_path: Path
) -> None:
    async def steps(page: Page) -> None:
        view.observe(scene(), [CAT], 5.0)
        await page.until(f"{WORDS} === 'live'")
        ink = (await page.value("boxes"))[1]["ink"]
        image = np.full((480, 640, 3), tuple(bytes.fromhex(ink[1:])), np.uint8)
        view.observe(Frame(image, datetime.now(UTC), "same.png"), [CAT], 5.0)
        await page.until(f"{SOURCE}.includes('same')")
        await page.screenshot(tmp_path / "page.png")
        left, top, right, bottom = await page.value(
            "(() => { const r = document.getElementById('image').getBoundingClientRect();"
            "return [r.left, r.top, r.right, r.bottom].map(Math.round) })()"
        )
        with Image.open(tmp_path / "page.png") as opened:
            drawn = np.asarray(opened.convert("L").crop((left, top, right, bottom)))
        assert (drawn < 60).sum() > 1000

    look(browser, view, steps, script=DRAWN)


def test_labels_have_distinct_colours_on_which_letters_are_readable(
    view: LiveView, browser: Browser
) -> None:
    detections = [Detection(label, 0.9, Box(0.1, 0.1, 0.5, 0.5)) for label in LABELS]
    view.observe(scene(), detections, 5.0)

    async def steps(page: Page) -> None:
        await page.until(f"{WORDS} === 'live'")
        await page.value("boxes.length = 0; redraw()")
        inks = [box["ink"] for box in (await page.value("boxes"))[1::2]][::-1]
        colours = [[value / 255 for value in bytes.fromhex(ink[1:])] for ink in inks]
        hues = [colorsys.rgb_to_hls(*rgb)[0] * 360 for rgb in colours]
        expected = [index * 137.508 % 360 for index in range(len(LABELS))]
        assert hues == pytest.approx(expected, abs=1.5)
        nearest = min(
            min(abs(hue - other), 360 - abs(hue - other))
            for hue, other in itertools.combinations(hues, 2)
        )
        assert nearest > 10
        assert min(contrast(rgb, (0x0B / 255, 0x0E / 255, 0x11 / 255)) for rgb in colours) >= 4.5

    look(browser, view, steps, script=DRAWN)


def contrast(*colours: Any) -> float:
    """Return the WCAG 2.2 contrast ratio of two sRGB colours, with channels from 0 to 1."""
    dark, light = sorted(
        sum(
            weight * (value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4)
            for weight, value in zip((0.2126, 0.7152, 0.0722), colour, strict=True)
        )
        for colour in colours
    )
    return (light + 0.05) / (dark + 0.05)


def test_the_running_model_is_named_with_its_digest_engine_and_key(
    view: LiveView, browser: Browser
) -> None:
    named = "document.getElementById('model').innerText.replace(/\\s+/g, ' ').trim()"

    async def steps(page: Page) -> None:
        view.observe(scene(), [], 5.0)
        await page.until(f"{WORDS} === 'live'")
        assert await page.value(named) == (
            "shapes 1.0.0 8794c057ebc7… OpenVINO verified by key 1a2b3c4d5e6f…"
        )
        buttons = "[...document.querySelectorAll('#model button')]"
        assert await page.value(f"{buttons}.map(one => one.title.split(' ')[0])") == [DIGEST, KEY]
        await page.value(f"{buttons}[0].click()")
        assert await page.until("copied.length && copied") == [DIGEST]
        # The page shows a new release with its first frame.
        view.use(model(signed_by=None, fallback_cause=ValueError("9.9.9 cannot be read")))
        view.observe(scene(), [], 5.0)
        await page.until(f"{named}.endsWith('OpenVINO unsigned')")
        assert await page.value("document.getElementById('instead').textContent") == (
            "This is not the deployed model: 9.9.9 cannot be read"
        )

    look(
        browser,
        view,
        steps,
        script="window.copied = [];"
        "navigator.clipboard.writeText = text => { copied.push(text); return Promise.resolve(); };",
    )


def test_a_slow_first_inference_does_not_flatten_the_chart(
    view: LiveView, browser: Browser
) -> None:
    async def steps(page: Page) -> None:
        for number, milliseconds in enumerate([500.0, *[12.5] * 24], 1):
            view.observe(scene(64, 48), [], milliseconds)
            await page.until(f"{SOURCE}.endsWith(' {number}')")
        assert await page.value("document.getElementById('ms-top').textContent") == "20 ms"
        assert await page.value("document.getElementById('ms-note').textContent") == (
            "▲ 1 above, highest 500 ms"
        )
        assert await page.value("document.getElementById('ms-chart').ariaLabel") == (
            "Inference time over the last 2 minutes in ms: now 12.5, median 12.5, highest 500.0"
        )
        axis = "document.querySelector('#ms-chart + .times').innerText.split(/\\s{2,}|\\n/)"
        assert await page.value(axis) == ["\u22122 min", "\u22121 min", "now"]
        assert await page.value("document.getElementById('limit').textContent") == "limit set: 2.0"

    look(browser, view, steps)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast_and_no_width_scrolls_sideways(
    view: LiveView, browser: Browser, scheme: str, tmp_path: Path
) -> None:
    view.use(model(fallback_cause=ValueError("x" * 200)))
    view.observe(scene(), [CAT, DOG], 5.0)

    async def steps(page: Page) -> None:
        await page.until(f"{WORDS} === 'live'")
        ground = json.loads(
            (await page.value("getComputedStyle(document.body).backgroundColor"))
            .replace("rgb(", "[")
            .replace(")", "]")
        )
        assert (sum(ground) > 600) == (scheme == "light")
        await page.value("document.getElementById('expired').textContent = 'expired'")
        assert await page.value(LOW_CONTRAST) == []
        for width_px in (320, 375, 1280, 1920):
            await page.resize(width_px)
            excess = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert await page.value(excess) <= 0, width_px
            await page.screenshot(tmp_path / f"{scheme}-{width_px}.png")

    look(browser, view, steps, scheme=scheme)


def test_a_screen_reader_and_a_keyboard_reach_everything(view: LiveView, browser: Browser) -> None:
    view.observe(scene(), [CAT], 5.0)

    async def steps(page: Page) -> None:
        await page.until(f"{WORDS} === 'live'")
        reached = []
        for _ in range(4):
            await press(page, "Tab")
            reached.append(
                await page.value("document.activeElement.id || document.activeElement.tagName")
            )
        assert reached == ["BUTTON", "BUTTON", "threshold", "compare"]
        await page.value("document.getElementById('threshold').focus()")
        await press(page, "ArrowRight")
        tree = (await page.call("Accessibility.getFullAXTree"))["nodes"]
        named = {
            (node["role"]["value"], node["name"]["value"])
            for node in tree
            if not node.get("ignored") and node.get("name", {}).get("value")
        }
        assert ("image", "Camera image: cat 91 %") in named
        assert any(role == "image" and "over the last 2 minutes" in name for role, name in named)
        assert all(role not in {"Canvas", "canvas"} for role, _ in named)
        (slider,) = [node for node in tree if node.get("role", {}).get("value") == "slider"]
        assert slider["name"]["value"].startswith("Minimum score")
        # Chromium's protocol returns only the number of a native slider, without its unit.
        spoken = await page.value("document.getElementById('threshold').ariaValueText")
        assert spoken == "51 percent"
        roles = {node["role"]["value"] for node in tree if not node.get("ignored")}
        assert {"status", "heading", "main", "checkbox"} <= roles

    look(browser, view, steps)


async def press(page: Page, key: str) -> None:
    code = {"Tab": 9, "ArrowRight": 39}[key]
    for kind in ("rawKeyDown", "keyUp"):
        await page.call(
            "Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code
        )
