"""The command `local_aws record` in a separate process."""

import subprocess
from pathlib import Path

from tests.emulator.running_emulator import ACCOUNT, REGION, ROOT, Emulator


def recording(aws: Emulator, device: str, out: Path, *more: str) -> "subprocess.Popen[str]":
    """Start the command, wait until it records, and return its process."""
    options = ["--device", device, "--out", str(out), "--account", ACCOUNT, "--region", REGION]
    process = subprocess.Popen(
        [*aws.command.words, "record", *options, *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stderr is not None
    assert "recording" in process.stderr.readline()
    return process
