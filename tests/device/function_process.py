"""The function in a separate process, started as Greengrass' Lambda runtime starts it."""

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

from PIL import Image

from testkit.waiting import HANG_SECONDS

ROOT = Path(__file__).parents[2]
FUNCTION = ROOT / "lambda_src" / "inference"
# The folders of the function and of the packages of `shared`; on a device, one archive contains
# both.
PYTHON_PATH = f"{FUNCTION}:{FUNCTION.parent}"
RUNTIME = ROOT / "local_aws" / "core_device" / "lambda_runtime.py"


class Function:
    """A running function; `log` contains its output."""

    def __init__(
        self, work: Path, variables: dict[str, str], interpreter: str = sys.executable
    ) -> None:
        self.log = work / "function.log"
        self.work = work
        if not (work / "camera").exists():
            (work / "camera").mkdir()
            Image.new("RGB", (64, 48)).save(work / "camera" / "a.png")
        ready, signal_end = os.pipe()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [interpreter, "-u", str(RUNTIME), str(signal_end), "handler.lambda_handler"],
                cwd=work,
                env={
                    "PATH": os.environ["PATH"],
                    "AWS_GREENGRASS_LAMBDA_ARTIFACT_PATH": str(FUNCTION),
                    "PYTHONPATH": str(FUNCTION.parent),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    **variables,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(signal_end,),
            )
        os.close(signal_end)
        assert select.select([ready], [], [], HANG_SECONDS)[0]
        self.was_imported = os.read(ready, 16) == b"ready"
        os.close(ready)

    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self) -> int:
        """Send SIGTERM, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(HANG_SECONDS)

    def has_given_up(self, thread: str) -> bool:
        """Return true if a thread still ran at the function's limit of 3.5 s."""
        (line, *_) = [*re.findall("ends at once, without waiting for (.*)", self.printed()), ""]
        return thread in line
