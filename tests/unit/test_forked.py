"""Forked processes have loaded TensorFlow, in every working directory."""

import sys
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from model_tools.sandbox import isolated
from tests.forked import run_forked

pytestmark = pytest.mark.process


def loaded(module: str) -> bool:
    return module in sys.modules


def test_a_server_that_starts_in_another_folder_loads_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Any = forkserver._forkserver  # noqa: SLF001 - multiprocessing has no public name for the server
    server._stop()  # noqa: SLF001 - there is no public method
    monkeypatch.chdir(tmp_path)
    assert isolated(loaded, "tensorflow")
    assert isolated(Path.cwd) == tmp_path


def test_a_process_that_a_command_forks_has_tensorflow(tmp_path: Path) -> None:
    ended = run_forked("tests.unit.test_forked", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr


if __name__ == "__main__":
    sys.stdout.write(f"{isolated(loaded, 'tensorflow')}\n")
