"""A runtime that the virtual device cannot run is an error before the deploy."""

from pathlib import Path

import pytest

from deeplens.runtime.device_environment import runtime_problem


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    (tmp_path / ".venv-device").mkdir()
    return tmp_path / ".venv-device" / "pyvenv.cfg"


@pytest.mark.parametrize("key", ["version_info", "version"])
def test_another_python_is_named_with_what_works(configuration: Path, key: str) -> None:
    configuration.write_text(f"home = /usr/bin\n{key} = 3.11.7\n", encoding="utf-8")
    problem = runtime_problem(configuration.parents[1])
    assert problem is not None
    assert "has Python 3.11.7: remove [runtime]" in problem
    assert "DEVICE_PYTHON=python3.12" in problem


def test_the_python_of_the_runtime_is_no_problem(configuration: Path, tmp_path: Path) -> None:
    configuration.write_text("version_info = 3.12.4\n", encoding="utf-8")
    assert runtime_problem(configuration.parents[1]) is None
    assert runtime_problem(tmp_path / "real devices only") is None
