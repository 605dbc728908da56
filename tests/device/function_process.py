"""The function in a process of its own, started as Greengrass' Lambda runtime starts it."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
FUNCTION = ROOT / "lambda_src" / "inference"
RUNTIME = ROOT / "local_aws" / "core_device" / "lambda_runtime.py"


class Function:
    """A running function; what it printed is in `log`."""

    def __init__(self, work: Path, variables: dict[str, str]) -> None:
        self.log = work / "function.log"
        self.work = work
        if not (work / "camera").exists():
            (work / "camera").mkdir()
            Image.new("RGB", (64, 48)).save(work / "camera" / "a.png")
        ready, said = os.pipe()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-u", str(RUNTIME), str(said), "handler.lambda_handler"],
                cwd=work,
                env={
                    "PATH": os.environ["PATH"],
                    "AWS_GREENGRASS_LAMBDA_ARTIFACT_PATH": str(FUNCTION),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    **variables,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(said,),
            )
        os.close(said)
        began = time.monotonic()
        assert select.select([ready], [], [], 20)[0]
        self.import_seconds = time.monotonic() - began
        self.was_imported = os.read(ready, 16) == b"ready"
        os.close(ready)

    def printed(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self) -> tuple[int, float]:
        """Send SIGTERM; return the exit code and how long it took."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(20)
        return code, time.monotonic() - began
