"""A stopped core is cancelled even if a step of a component ends at the same time."""

import asyncio
from pathlib import Path

import pytest

from local_aws.core_device.steps import LifecycleStep, Script


class EndingScript(Script):
    """A script whose process ends when a future has a result."""

    def __init__(self, folder: Path, ended: "asyncio.Future[int]") -> None:
        super().__init__(LifecycleStep("install", "true", 120.0), folder, folder / "log", {})
        self._ended = ended

    async def start(self) -> None:
        return None

    async def wait(self) -> int:
        return await self._ended


def test_a_cancellation_that_arrives_when_the_process_ends_is_not_lost(tmp_path: Path) -> None:
    """A cancellation at the end of a process still ends the step.

    If the cancellation were lost, a stopped core would wait for deployments.
    """

    async def cancelled_at_the_end() -> None:
        ended = asyncio.get_running_loop().create_future()
        step = asyncio.create_task(EndingScript(tmp_path, ended).run_to_end())
        await asyncio.sleep(0)
        ended.set_result(0)
        step.cancel()
        await step

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled_at_the_end())
