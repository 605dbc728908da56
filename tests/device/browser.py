"""A headless Chromium, controlled by its DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from testkit.waiting import HANG_SECONDS, eventually

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

# A script that returns the page's texts with a contrast below 4.5:1.
LOW_CONTRAST = Path(__file__).with_name("low_contrast.js").read_text(encoding="utf-8")

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--no-first-run", "--disable-extensions", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1280,900",
    "--remote-debugging-port=0",
)  # fmt: skip


class Page:
    """A page in a tab; `asked` contains requested URLs, `errors` exceptions and log entries."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.asked: list[str] = []
        self.errors: list[str] = []
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; record the events that arrive before its response."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            message = json.loads((await self._socket.receive(timeout=2 * HANG_SECONDS)).data)
            if message.get("id") == self._number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            event = message.get("params", {})
            if message["method"] == "Network.requestWillBeSent":
                self.asked.append(event["request"]["url"])
            elif message["method"] == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(event["exceptionDetails"]))
            elif message["method"] == "Log.entryAdded":
                self.errors.append(event["entry"]["text"])

    async def resize(self, width_px: int, height_px: int = 900, *, scale: float = 0) -> None:
        """Set the window's size in CSS pixels; `scale` is the device pixels per CSS pixel."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width_px,
            height=height_px,
            deviceScaleFactor=scale,
            mobile=False,
        )

    async def emulate(self, *, scheme: str = "light", media: str = "screen") -> None:
        """Set the colour scheme and the medium."""
        await self.call(
            "Emulation.setEmulatedMedia",
            media=media,
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    async def value(self, expression: str) -> Any:
        """Return the value of an expression, which the page evaluates with a user gesture."""
        answer = await self._evaluate(expression)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 2 * HANG_SECONDS) -> Any:
        """Wait until an expression is true in the page; return its value."""
        give_up_at = time.monotonic() + seconds
        # While the page loads, an error counts as false.
        while not (found := (await self._evaluate(expression))["result"].get("value")):
            assert time.monotonic() < give_up_at, (expression, self.errors[-3:])
            await asyncio.sleep(0.05)
        return found

    async def _evaluate(self, expression: str) -> dict[str, Any]:
        return await self.call(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )

    async def screenshot(self, file: Path, *, whole: bool = False) -> None:
        """Write an image of the window or, if `whole` is true, of the complete page."""
        answer = await self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=whole
        )
        file.write_bytes(base64.b64decode(answer["data"]))  # noqa: ASYNC240 - no other task runs


class Browser:
    """A running Chromium; each page is a separate tab."""

    def __init__(self, port: int) -> None:
        self._port = port

    @asynccontextmanager
    async def open(
        self,
        address: str,
        *,
        script: str = "",
        width_px: int = 1280,
        height_px: int = 900,
        scheme: str = "light",
    ) -> AsyncIterator[Page]:
        """Open an address in a new tab, and close the tab at the end of the block.

        Args:
            address: URL of the page.
            script: JavaScript that runs before the page's own scripts.
            width_px: width of the window in CSS pixels.
            height_px: height of the window in CSS pixels.
            scheme: `light` or `dark`.
        """
        tabs = f"http://127.0.0.1:{self._port}/json"
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{tabs}/new?about:blank") as answer:
                tab = await answer.json(content_type=None)
            try:
                async with session.ws_connect(
                    tab["webSocketDebuggerUrl"], max_msg_size=64 << 20
                ) as socket:
                    page = Page(socket)
                    for domain in ("Page", "Runtime", "Network", "Log"):
                        await page.call(f"{domain}.enable")
                    await page.resize(width_px, height_px)
                    await page.emulate(scheme=scheme)
                    if script:
                        await page.call("Page.addScriptToEvaluateOnNewDocument", source=script)
                    await page.call("Page.navigate", url=address)
                    yield page
            finally:
                async with session.get(f"{tabs}/close/{tab['id']}") as answer:
                    await answer.read()


@contextmanager
def running_browser(profile: Path) -> Iterator[Browser]:
    """Start a browser, and end it after the block."""
    process = subprocess.Popen(
        [str(CHROMIUM), *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Browser(_port(profile / "DevToolsActivePort"))
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


@asynccontextmanager
async def browsing(address: str, profile: Path) -> AsyncIterator[Page]:
    """Open an address in a new browser, and end the browser after the block."""
    with running_browser(profile) as browser:
        async with browser.open(address) as page:
            yield page


def _port(file: Path) -> int:
    def port() -> int:
        with suppress(OSError, IndexError, ValueError):
            return int(file.read_text("utf-8").splitlines()[0])
        return 0

    return eventually(port, "the browser did not start", pause=0.05)
