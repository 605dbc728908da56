"""The Lambda component's handler imports the packages of the runtime."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.device.function_process import FUNCTION, PYTHON_PATH

pytestmark = pytest.mark.process


def imported(packages: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program with a folder of runtime packages; return the completed process."""
    return subprocess.run(
        [sys.executable, "-c", program],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": PYTHON_PATH,
            "PYTHONDONTWRITEBYTECODE": "1",
            "DEEPLENS_PACKAGES": str(packages),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_packages_of_the_runtime_precede_those_of_the_device(tmp_path: Path) -> None:
    (tmp_path / "jsonschema").mkdir()
    (tmp_path / "jsonschema/__init__.py").write_text("OF = 'runtime'\n")
    program = "import handler, jsonschema, camera; print(jsonschema.OF, camera.__file__)"
    result = imported(tmp_path, program)
    assert result.stdout.splitlines()[-1] == f"runtime {FUNCTION / 'camera/__init__.py'}"


def test_a_missing_runtime_is_one_line_before_any_import(
    tmp_path: Path,
) -> None:
    result = imported(tmp_path / "gone", "import handler")
    assert result.returncode == 1
    expected = f"{tmp_path / 'gone'} does not exist; the runtime component installs it"
    assert result.stderr == f"DEEPLENS_PACKAGES: {expected}\n"
