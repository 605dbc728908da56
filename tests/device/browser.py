"""A headless Chromium, driven through its DevTools protocol."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from tests.waiting import HANG_SECONDS

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--no-first-run", "--disable-extensions", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1280,900",
    "--remote-debugging-port=0",
)  # fmt: skip


class Page:
    """One page; `asked` is every address that it asked for, `errors` what its script reported."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.asked: list[str] = []
        self.errors: list[str] = []
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; note the events that come before its answer."""
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

    async def value(self, expression: str) -> Any:
        """Return what an expression is worth in the page."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float = 2 * HANG_SECONDS) -> Any:
        """Wait until an expression holds; return its value."""
        give_up_at = time.monotonic() + seconds
        while not (found := await self.value(expression)):
            assert time.monotonic() < give_up_at, (expression, self.errors)
            await asyncio.sleep(0.05)
        return found

    async def screenshot(self, file: Path) -> None:
        """Write a picture of the page."""
        answer = await self.call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(answer["data"]))  # noqa: ASYNC240 - nothing else waits


@asynccontextmanager
async def browsing(address: str, profile: Path) -> AsyncIterator[Page]:
    """Open an address in a browser that ends with the block."""
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else waits
        [str(CHROMIUM), *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = await _port(profile / "DevToolsActivePort")
        async with aiohttp.ClientSession() as session:
            async with session.get(f"http://127.0.0.1:{port}/json") as answer:
                tabs = await answer.json()
            tab = next(one for one in tabs if one["type"] == "page")
            async with session.ws_connect(
                tab["webSocketDebuggerUrl"], max_msg_size=64 << 20
            ) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Network", "Log"):
                    await page.call(f"{domain}.enable")
                await page.call("Page.navigate", url=address)
                yield page
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


async def _port(file: Path) -> int:
    give_up_at = time.monotonic() + HANG_SECONDS
    while True:
        with suppress(OSError, IndexError, ValueError):
            return int(file.read_text("utf-8").splitlines()[0])  # noqa: ASYNC240 - nothing else waits
        assert time.monotonic() < give_up_at, "the browser did not start"
        await asyncio.sleep(0.1)
