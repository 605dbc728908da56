"""The interpreter that devices have; tests that need it are skipped on machines without it."""

import shutil
import subprocess
from pathlib import Path

import pytest


def python_3_12() -> Path:
    """Return a python3.12 that runs; skip the test where there is none."""
    found = find_python_3_12()
    if found is None:
        pytest.skip("no python3.12 on this machine; devices have it")
    return found


def find_python_3_12() -> Path | None:
    """Return a python3.12 that runs: on PATH, or one that pyenv keeps."""
    on_path = shutil.which("python3.12")
    kept = sorted((Path.home() / ".pyenv/versions").glob("3.12*/bin/python3.12"))
    for candidate in [*([Path(on_path)] if on_path else []), *kept]:
        # A version manager's shim is there whether or not an interpreter is behind it.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None
