"""The Python interpreter of devices; some tests are skipped if it is not installed."""

import shutil
import subprocess
from pathlib import Path

import pytest


def python_3_12() -> Path:
    """Return the path of a working python3.12, or skip the test."""
    found = find_python_3_12()
    if found is None:
        pytest.skip("no python3.12 on this machine; devices have it")
    return found


def find_python_3_12() -> Path | None:
    """Return the path of a working python3.12 from PATH or pyenv, or None."""
    on_path = shutil.which("python3.12")
    kept = sorted((Path.home() / ".pyenv/versions").glob("3.12*/bin/python3.12"))
    for candidate in [*([Path(on_path)] if on_path else []), *kept]:
        # The shim of a version manager may exist although the interpreter does not.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None
