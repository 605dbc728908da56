"""The three hosts of the function: nucleus classic, nucleus lite and an AWS DeepLens."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testkit.greengrass_ipc import Core
from testkit.waiting import HANG_SECONDS
from tests.device.function_process import PYTHON_PATH, Function

HOSTS = ("classic", "lite", "deeplens")

_SOFTWARE = Path(__file__).with_name("deeplens_software")


@dataclass
class Host:
    """A running function; `messages` and `reported` return the data that its host received."""

    messages: Callable[[], list[dict[str, Any]]]
    reported: Callable[[], list[dict[str, Any]]]
    process: "subprocess.Popen[bytes]"
    log: Path

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(HANG_SECONDS)

    def printed(self) -> str:
        return self.log.read_text(errors="replace")


def start(
    host: str,
    work: Path,
    variables: dict[str, str],
    core: Core,
    interpreter: str = sys.executable,
) -> Host:
    """Start the function on a host; the camera's images are in `work / "camera"`."""
    if host == "classic":
        function = Function(work, variables | core.environment, interpreter)
        return Host(core.messages, core.reported, function.process, function.log)
    if host == "lite":
        program = ["-m", "camera"]
        more, messages, reported = core.environment, core.messages, core.reported
    else:
        # The DeepLens console requires this module name, and the device's runtime imports the
        # module.
        program = ["-c", "import greengrassHelloWorld, time\nwhile True: time.sleep(0.1)"]
        more = {"DEEPLENS_CAMERA": "awscam", "DEEPLENS_PUBLISHER": "greengrasssdk"}

        def messages() -> list[dict[str, Any]]:
            return [
                document
                for topic, document in _published(work / "published")
                if not topic.startswith("$aws/")
            ]

        def reported() -> list[dict[str, Any]]:
            return [
                document["state"]["reported"]
                for topic, document in _published(work / "published")
                if topic.endswith("/shadow/name/deeplens/update")
            ]

    log = work / "function.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [interpreter, "-u", *program],
            cwd=work,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": f"{PYTHON_PATH}:{_SOFTWARE}",
                **variables,
                **more,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return Host(messages, reported, process, log)


def _published(file: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    except FileNotFoundError:
        return []
    return [
        (topic, json.loads(base64.b64decode(payload))) for topic, payload in map(json.loads, lines)
    ]
