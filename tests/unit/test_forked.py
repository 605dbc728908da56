"""Forked processes have TensorFlow, wherever the first test that needs one changed to."""

import sys
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from model_tools.isolation import isolated

pytestmark = pytest.mark.process


def loaded(module: str) -> bool:
    return module in sys.modules


def test_a_server_that_starts_in_another_folder_loads_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server: Any = forkserver._forkserver  # noqa: SLF001 - there is no other name
    server._stop()  # noqa: SLF001 - as above
    monkeypatch.chdir(tmp_path)
    assert isolated(loaded, "tensorflow")
    assert isolated(Path.cwd) == tmp_path
