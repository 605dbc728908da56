"""`deeplens fleet prepare-device` writes a valid POSIX shell script with a device's settings."""

import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from deeplens.cli.main import main
from deeplens.config import EnvironmentConfig, load_environment
from deeplens.config.nucleus_components import PINNED_VERSIONS
from deeplens.fleet.device.preparation import device_script

ROOT = Path(__file__).parents[3]


def environment(tmp_path: Path, text: str = "") -> EnvironmentConfig:
    given = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
    file = tmp_path / "dev.toml"
    file.write_text(given.replace("[fleet]\n", f"[fleet]\n{text}"), encoding="utf-8")
    return load_environment(file)


def settings(script: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_]+)='?(.*?)'?$", script, re.MULTILINE))


def test_the_script_installs_exactly_the_nucleus_that_a_release_pins(tmp_path: Path) -> None:
    found = settings(device_script(environment(tmp_path), "cam-1"))
    assert found["NUCLEUS_VERSION"] == PINNED_VERSIONS["aws.greengrass.Nucleus"]
    assert found["THING"] == "cam-1"
    assert found["CORE_ROOT"] == "/greengrass/v2"


def test_nucleus_lite_has_its_own_folder(tmp_path: Path) -> None:
    found = settings(device_script(environment(tmp_path, 'core_runtime = "lite"\n'), "cam-1"))
    assert found["CORE_RUNTIME"] == "lite"
    assert found["CORE_ROOT"] == "/var/lib/greengrass"


def test_a_pinned_runtime_needs_less_of_the_devices_python(tmp_path: Path) -> None:
    plain = environment(tmp_path)
    assert "openvino" in settings(device_script(plain, "cam-1"))["PYTHON_MODULES"]
    runtime = plain.runtime.model_copy(update={"aarch64": "0" * 64})
    found = settings(device_script(plain.model_copy(update={"runtime": runtime}), "cam-1"))
    assert found["PYTHON_MODULES"] == "venv ensurepip"
    assert found["ARCHITECTURES"] == "aarch64"


def test_modules_that_a_device_needs_are_those_of_its_locked_packages(tmp_path: Path) -> None:
    found = settings(device_script(environment(tmp_path), "cam-1"))["PYTHON_MODULES"].split()
    modules = {"pillow": "PIL", "protobuf": "google.protobuf", "awsiotsdk": "awsiot",
               "opencv-python-headless": "cv2"}  # fmt: skip
    lines = (ROOT / "requirements/device.in").read_text(encoding="utf-8").splitlines()
    packages = {re.split(r"[=; ]", line)[0] for line in lines if line and line[0] not in "#-"}
    # OpenVINO is the default engine; TensorFlow is optional.
    expected = packages - {"tensorflow", "tensorflow-cpu"}
    assert set(found) == {modules.get(name, name) for name in expected}


def test_the_files_are_written_beside_those_of_provision(tmp_path: Path) -> None:
    out = tmp_path / "cam-1"
    words = ["fleet", "prepare-device", "dev", "cam-1", "--out", str(out)]
    words += ["--environments", str(ROOT / "environments")]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "`deeplens fleet provision dev cam-1` writes" in done.output
    printed = CliRunner().invoke(main, [*words, "--print"])
    assert (out / "prepare-device.sh").read_text(encoding="utf-8") == printed.output


@pytest.mark.parametrize("name", ["a b", "../x", ""])
def test_a_name_that_is_not_a_things_is_refused(name: str) -> None:
    done = CliRunner().invoke(main, ["fleet", "prepare-device", "dev", name, "--print"])
    assert done.exit_code == 2
    assert "is not a valid name of a thing" in done.output


def test_settings_cannot_run_commands(tmp_path: Path) -> None:
    plain = environment(tmp_path)
    camera = "folder:it's $(touch /tmp/x) `id`"
    inference = plain.inference.model_copy(update={"camera": camera})
    script = device_script(plain.model_copy(update={"inference": inference}), "cam-1")
    assert """CAMERA='folder:it'"'"'s $(touch /tmp/x) `id`'\n""" in script


@pytest.mark.process
@pytest.mark.parametrize("core", ["classic", "lite"])
@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "busybox"])
def test_shells_accept_the_script(tmp_path: Path, shell: str, core: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = device_script(environment(tmp_path, f'core_runtime = "{core}"\n'), "cam-1")
    words = [shell, "sh"] if shell == "busybox" else [shell]
    subprocess.run([*words, "-n"], input=script, text=True, check=True)


@pytest.mark.process
def test_shellcheck_has_no_remark(tmp_path: Path) -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed; `apt-get install shellcheck` installs it")
    script = device_script(environment(tmp_path), "cam-1")
    subprocess.run(["shellcheck", "--shell=sh", "-"], input=script, text=True, check=True)


@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_a_file_of_another_kind_is_replaced_not_written_to(tmp_path: Path, kind: str) -> None:
    script, target = tmp_path / "prepare-device.sh", tmp_path / "target"
    target.write_text("x")
    if kind == "fifo":
        os.mkfifo(script)
    else:
        script.symlink_to(target)
    words = ["fleet", "prepare-device", "dev", "cam-1", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, [*words, "--environments", str(ROOT / "environments")])
    assert result.exit_code == 0, result.output
    assert script.is_file()
    assert not script.is_symlink()
    assert target.read_text() == "x"


def test_the_mode_of_an_existing_folder_remains(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    for folder in (shared, tmp_path / "new"):
        words = ["fleet", "prepare-device", "dev", "cam-1", "--out", str(folder)]
        result = CliRunner().invoke(main, [*words, "--environments", str(ROOT / "environments")])
        assert result.exit_code == 0, result.output
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
