"""A lost connection is logged once, and only after some seconds."""

import asyncio

import pytest

from local_aws.core_device.connection import BACK, LOST, OutageLog


def report(caplog: pytest.LogCaptureFixture, seconds: float, *, waits: bool) -> list[str]:
    async def run() -> None:
        outage = OutageLog(asyncio.get_running_loop(), "127.0.0.1:8883", seconds)
        outage.begin("SOCKET_CLOSED")
        outage.begin("SOCKET_CLOSED")
        if waits:
            while not caplog.messages:  # noqa: ASYNC110 - a log line sets no event
                await asyncio.sleep(0)
        outage.end()
        outage.end()

    with caplog.at_level("INFO"):
        asyncio.run(run())
    return caplog.messages


def test_a_loss_that_stays_is_reported_once_with_its_end(caplog: pytest.LogCaptureFixture) -> None:
    lost, back = report(caplog, 0.0, waits=True)
    assert lost.startswith(f"{LOST} for 0 s (127.0.0.1:8883: SOCKET_CLOSED)")
    assert "deeplens local up" in lost
    assert back == BACK


def test_a_short_loss_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    assert report(caplog, 600.0, waits=False) == []
