"""The processes of lifecycle steps end if the core is killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local_aws.process.child_processes import is_alive
from testkit.waiting import HANG_SECONDS, eventually

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
CORE = """
import asyncio, os, sys
from pathlib import Path
from local_aws.core_device.steps import LifecycleStep, Script

async def main():
    folder = Path(sys.argv[1])
    step = LifecycleStep("run", "echo $$ > pid; exec sleep 600", None)
    await Script(step, folder, folder / "log", dict(os.environ)).start()
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_a_script_ends_with_the_core_that_is_killed(tmp_path: Path) -> None:
    """A script ends with the killed core, so the next core can open the camera's device."""
    core = subprocess.Popen([sys.executable, "-c", CORE, str(tmp_path)], cwd=ROOT)
    eventually(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text().strip())
    script = int((tmp_path / "pid").read_text())
    try:
        core.send_signal(signal.SIGKILL)
        core.wait(HANG_SECONDS)
        eventually(lambda: not is_alive(script))
    finally:
        if is_alive(script):
            os.kill(script, signal.SIGKILL)
