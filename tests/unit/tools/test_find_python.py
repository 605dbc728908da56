"""Environments use the first interpreter that works, or an override."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SCRIPT = Path(__file__).resolve().parents[3] / "tools" / "find_python.sh"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder that is the only entry of PATH."""
    (tmp_path / "sh").symlink_to("/bin/sh")
    return tmp_path


def find(path: Path, variable: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, variable],
        env={"PATH": str(path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def usable(folder: Path, name: str) -> Path:
    """Write a launcher of this interpreter with another name to `folder`."""
    launcher = folder / name
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    return launcher


def broken(folder: Path, name: str) -> None:
    """Write a failing program to `folder`, like the shim of a version manager."""
    (folder / name).write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("name", ["python3.11", "python3.12", "python3.13", "python3"])
def test_any_supported_name_is_found(path: Path, name: str) -> None:
    usable(path, name)
    result = find(path, "BASE_PYTHON")
    assert (result.returncode, result.stderr) == (0, "")
    assert Path(result.stdout.strip()).samefile(sys.executable)


def test_a_name_that_does_not_run_is_skipped(path: Path) -> None:
    broken(path, "python3.11")
    usable(path, "python3.13")
    assert find(path, "BASE_PYTHON").returncode == 0


def test_an_interpreter_without_venv_is_skipped(path: Path) -> None:
    # Debian's python3 without python3-venv can import venv, but not ensurepip.
    launcher = path / "python3.11"
    blocked = "import sys; sys.modules['ensurepip'] = None; exec(sys.argv.pop(1))"
    launcher.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "{blocked}" "$2"\n', encoding="utf-8"
    )
    launcher.chmod(0o755)
    result = find(path, "BASE_PYTHON")
    assert result.returncode == 1
    assert "python3-venv" in result.stderr


def test_without_a_python_one_sentence_explains_how_to_install_it(path: Path) -> None:
    result = find(path, "DEVICE_PYTHON")
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    for words in ("apt install", "dnf install", "brew install", "Debian, Ubuntu", "BASE_PYTHON"):
        assert words in line


@pytest.mark.parametrize("variable", ["BASE_PYTHON", "DEVICE_PYTHON"])
def test_the_variable_overrides_the_choice(path: Path, variable: str) -> None:
    broken(path, "python3.11")
    chosen = usable(path, "my python")
    result = find(path, variable, **{variable: str(chosen)})
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("program", ["true", "echo"])
def test_a_program_that_succeeds_is_not_yet_a_python(path: Path, program: str) -> None:
    (path / program).write_text(f'#!/bin/sh\n{program} "$@"\n', encoding="utf-8")
    (path / program).chmod(0o755)
    result = find(path, "BASE_PYTHON", BASE_PYTHON=str(path / program))
    assert (result.returncode, result.stdout) == (1, "")
    assert "is not usable" in result.stderr


def test_the_virtual_device_has_the_checkouts_interpreter(path: Path) -> None:
    chosen = usable(path, "my python")
    assert find(path, "DEVICE_PYTHON", BASE_PYTHON=str(chosen)).returncode == 0


def test_an_override_that_does_not_work_is_named(path: Path) -> None:
    usable(path, "python3.11")
    result = find(path, "BASE_PYTHON", BASE_PYTHON="/nowhere/python")
    assert result.returncode == 1
    assert result.stderr.startswith("BASE_PYTHON=/nowhere/python is not usable: expected")


@pytest.mark.parametrize("variable", ["BASE_PYTHON", "DEVICE_PYTHON"])
def test_an_environment_leads_to_the_python_that_it_was_made_with(
    tmp_path: Path, variable: str
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True)
    result = find(tmp_path / "env/bin", variable, **{variable: str(tmp_path / "env/bin/python")})
    assert result.returncode == 0, result.stderr
    assert tmp_path not in Path(result.stdout.strip()).parents


def test_another_variable_is_refused(path: Path) -> None:
    result = find(path, "PYTHON")
    assert result.returncode == 2
    assert "expected BASE_PYTHON or DEVICE_PYTHON" in result.stderr
