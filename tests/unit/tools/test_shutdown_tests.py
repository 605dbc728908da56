"""`make test-shutdown` finds the supported interpreters on PATH and those of pyenv."""

from pathlib import Path

import pytest

from tools import shutdown_tests

pytestmark = pytest.mark.process


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder of a machine without interpreters; only its folder `bin` is on PATH."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def install(file: Path, prints: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{prints}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


def test_an_interpreter_is_found_on_path_or_among_those_of_pyenv(machine: Path) -> None:
    on_path = install(machine / "bin" / "python3.12", "echo 3.12.1")
    pyenv = install(machine / ".pyenv/versions/3.13.0/bin/python3.13", "echo 3.13.0")
    assert shutdown_tests.find("3.12") == on_path
    assert shutdown_tests.find("3.13") == pyenv
    assert shutdown_tests.find("3.11") is None


def test_a_shim_without_an_interpreter_is_skipped(machine: Path) -> None:
    install(machine / "bin" / "python3.12", "exit 127")
    behind = install(machine / ".pyenv/versions/3.12.1/bin/python3.12", "echo 3.12.1")
    assert shutdown_tests.find("3.12") == behind


@pytest.mark.parametrize(
    ("version", "printed"), [("3.11", "test-shutdown\n"), ("3.12", "\n"), ("3.13", "\n")]
)
def test_only_a_machine_without_a_strict_interpreter_needs_another_one(
    machine: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    version: str,
    printed: str,
) -> None:
    install(machine / "bin" / f"python{version}", f"echo {version}.9")
    monkeypatch.setattr("sys.argv", ["shutdown_tests", "--elsewhere"])
    assert shutdown_tests.main() == 0
    assert capsys.readouterr().out == printed
