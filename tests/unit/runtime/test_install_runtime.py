"""The install step creates a complete environment or none, from locked wheels and offline."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from testkit.waiting import HANG_SECONDS, eventually
from tests.python_3_12 import python_3_12
from tests.unit.runtime.wheelhouse import archive, install, unpacked, wheel

pytestmark = pytest.mark.process


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    """The folder of an unpacked runtime archive with one package."""
    tiny = wheel(tmp_path / "wheels", "tiny", code="ANSWER = 42\n")
    return unpacked(archive(tmp_path / "built", tiny), tmp_path / "runtime")


def answers(environment: Path) -> bool:
    program = "import tiny; print(tiny.ANSWER)"
    result = subprocess.run(
        [environment / "bin/python", "-I", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout == "42\n"


def left_behind(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()] if folder.exists() else []


def test_it_is_made_once_and_half_of_it_is_made_again(runtime: Path, tmp_path: Path) -> None:
    environment = tmp_path / "work" / "abc"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").write_text("half of it")
    made = install(runtime, environment)
    assert made.returncode == 0, made.stderr
    assert made.stdout == f"the runtime is installed: {environment}\n"
    assert answers(environment)
    assert left_behind(environment.parent) == ["abc"]

    inode = (environment / "bin").stat().st_ino
    again = install(runtime, environment)
    assert again.stdout == f"the runtime is there already: {environment}\n"
    assert (environment / "bin").stat().st_ino == inode

    # An update of the operating system can remove the interpreter.
    (environment / "bin/python").unlink()
    (environment / "bin/python").symlink_to("/nowhere/python3.12")
    assert "is installed" in install(runtime, environment).stdout
    assert answers(environment)


def test_an_installation_that_begins_during_another_one_waits_for_it(
    runtime: Path, tmp_path: Path
) -> None:
    """A second installation waits for the first installation.

    A core that kills the camera may leave the installer running, and starts the camera again.
    """
    environment = tmp_path / "work" / "abc"
    command = [python_3_12(), runtime / "install_runtime.py", environment]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    eventually((environment.with_name(".abc.partial") / "bin").exists)
    again = install(runtime, environment)
    _, errors = first.communicate(timeout=HANG_SECONDS)
    assert (first.returncode, errors) == (0, "")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == f"the runtime is there already: {environment}\n"
    assert answers(environment)
    assert left_behind(environment.parent) == ["abc"]


def test_a_power_cut_in_the_middle_leaves_nothing_that_counts(
    runtime: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    process = subprocess.Popen(
        [python_3_12(), runtime / "install_runtime.py", work / "abc"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(lambda: (work / ".abc.partial/bin").exists() or process.poll() is not None)
    os.killpg(process.pid, 9)
    process.wait()
    assert left_behind(work) == [".abc.partial"]
    assert install(runtime, work / "abc").returncode == 0
    assert answers(work / "abc")
    assert left_behind(work) == ["abc"]


def drop_wheel(runtime: Path) -> None:
    next((runtime / "wheels").glob("tiny-*")).unlink()


def change_wheel(runtime: Path) -> None:
    with next((runtime / "wheels").glob("tiny-*")).open("ab") as file:
        file.write(b"x")


def change_manifest(runtime: Path, **values: object) -> None:
    file = runtime / "runtime.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (drop_wheel, "wheel tiny-1.0-py3-none-any.whl: cannot be read: No such file"),
        (change_wheel, "nothing was installed"),
        (lambda at: (at / "runtime.json").write_text("[]"), "is not the manifest of a runtime"),
        (lambda at: (at / "runtime.json").unlink(), "runtime.json: cannot be read"),
        (lambda at: change_manifest(at, machine="vax"), "this runtime is for vax, the device is"),
        (lambda at: change_manifest(at, glibc="2.99"), "requires glibc 2.99 or newer"),
        (lambda at: change_manifest(at, python="3.13"), "is for Python 3.13"),
        (lambda at: change_manifest(at, installed_bytes=1 << 60), "MiB are free, the runtime"),
    ],
)
def test_what_cannot_work_is_one_clear_line_and_leaves_nothing(
    runtime: Path, tmp_path: Path, harm: Callable[[Path], object], expected: str
) -> None:
    harm(runtime)
    result = install(runtime, tmp_path / "work/abc")
    assert result.returncode == 1
    assert expected in result.stderr
    assert result.stderr.startswith("the runtime is not installed: ")
    assert result.stderr.count("\n") == 1
    assert left_behind(tmp_path / "work") == []


def test_another_python_is_refused_by_its_version(runtime: Path, tmp_path: Path) -> None:
    if sys.version_info[:2] == (3, 12):
        pytest.skip("these tests run on the devices' Python")
    result = install(runtime, tmp_path / "work/abc", Path(sys.executable))
    assert "this runtime is for Python 3.12" in result.stderr
    assert "install python3.12 on the device" in result.stderr


def test_a_disk_that_fills_up_leaves_nothing_and_says_why(runtime: Path, tmp_path: Path) -> None:
    result = subprocess.run(
        [python_3_12(), runtime / "install_runtime.py", tmp_path / "work/abc"],
        capture_output=True,
        text=True,
        check=False,
        # Like a full disk, this limit (in bytes) makes larger writes fail.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert result.returncode == 1
    assert result.stderr.startswith("the runtime is not installed: ")
    assert "Traceback" not in result.stderr
    assert left_behind(tmp_path / "work") == []


def test_a_package_that_does_not_import_is_never_in_place(tmp_path: Path) -> None:
    broken = wheel(tmp_path / "wheels", "numpy", code="raise ImportError('no such library')\n")
    runtime = unpacked(archive(tmp_path / "built", broken), tmp_path / "runtime")
    result = install(runtime, tmp_path / "work/abc")
    assert "the packages do not import" in result.stderr
    assert "no such library" in result.stderr
    assert left_behind(tmp_path / "work") == []


def test_the_one_before_is_kept_for_a_roll_back_and_older_ones_go(
    runtime: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    for age, name in ((3, "oldest"), (2, "before")):
        (work / name).mkdir(parents=True)
        shutil.copy(runtime / "runtime.json", work / name / "deeplens-runtime.json")
        then = time.time() - 1000 * age
        os.utime(work / name, (then, then))
    (work / "not-ours").mkdir()
    assert install(runtime, work / "abc").returncode == 0
    assert sorted(left_behind(work)) == ["abc", "before", "not-ours"]
