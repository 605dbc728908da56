"""`deeplens` commands in processes with preloaded modules (`fleet_server.py`)."""

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.emulator.running_emulator import ACCOUNT, ROOT, Emulator

_one_at_a_time = threading.Lock()


def run_deeplens(
    *words: str, folder: Path, environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run `deeplens …` in a folder with only these variables; return the completed process."""
    with tempfile.TemporaryDirectory() as scratch, _one_at_a_time:
        files = [Path(scratch, name) for name in ("stdout", "stderr")]
        request = {
            "words": words,
            "folder": str(folder),
            "environment": dict(environment),
            **{file.name: str(file) for file in files},
        }
        server = _server()
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        printed, errors = (file.read_text(encoding="utf-8") for file in files)
    return subprocess.CompletedProcess(["deeplens", *words], code, printed, errors)


@cache
def _server() -> "subprocess.Popen[str]":
    """Start the server, which ends with this process; return the server's process."""
    server = subprocess.Popen(
        [ROOT / ".venv/bin/python", Path(__file__).with_name("fleet_server.py")],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(server.communicate)
    return server


@dataclass
class Cli:
    """The command line in a folder with dev's environment file."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *words: str, code: int = 0) -> str:
        done = run_deeplens("fleet", *words, folder=self.folder, environment=self.environment)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def files(self, thing: str) -> Path:
        return self.folder / ".local/devices/dev" / thing


def make_cli(aws: Emulator, folder: Path) -> Cli:
    (folder / "environments").mkdir()
    shutil.copy(ROOT / "environments/dev.toml", folder / "environments")
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": aws.endpoint["endpoint_url"],
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": aws.secret(),
    }
    return Cli(folder, environment)
