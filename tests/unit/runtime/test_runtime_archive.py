"""A runtime's archive is reproducible, and contains only packages of the lock."""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeplens.config import ConfigError, RuntimeConfig, load_runtime
from deeplens.runtime.errors import RuntimeBuildError
from deeplens.runtime.locked import locked_for
from deeplens.runtime.targets import TARGETS
from deeplens.runtime.wheels import fetch
from tests.unit.runtime.wheelhouse import HERE, archive, locked, wheel

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "requirements/runtime.txt"


@pytest.mark.process
def test_the_same_wheels_give_the_same_bytes_in_any_order_and_at_any_time(tmp_path: Path) -> None:
    one, two = wheel(tmp_path / "a", "one"), wheel(tmp_path / "a", "two")
    first = archive(tmp_path / "first", one, two)
    os.utime(one, (1, 1))
    copies = [wheel(tmp_path / "b", "two"), wheel(tmp_path / "b", "one")]
    copies[0].chmod(0o600)
    pins = sorted(copies)
    second = archive(tmp_path / "second", *pins)
    assert first.digest == second.digest
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.digest == sha256(first.path.read_bytes()).hexdigest()
    with zipfile.ZipFile(first.path) as packed:
        names = packed.namelist()
        assert names == sorted(names)
        manifest = json.loads(packed.read("runtime.json"))
        requirements = packed.read("requirements.txt").decode()
    assert manifest["python"] == "3.12"
    assert manifest["architecture"] == HERE.architecture
    assert manifest["wheels"][one.name] == sha256(one.read_bytes()).hexdigest()
    assert requirements == "".join(f"{locked(file).line()}\n" for file in (one, two))


def test_the_lock_has_the_same_packages_for_both_architectures_and_no_tensorflow() -> None:
    names = [[one.name for one in locked_for(LOCK, target)] for target in TARGETS]
    assert names[0] == names[1]
    assert {"openvino", "numpy", "opencv-python-headless", "awsiotsdk"} <= set(names[0])
    assert not any("tensorflow" in name for name in names[0])


def test_the_runtime_has_the_very_versions_that_the_virtual_device_has() -> None:
    device = {one.name: one for one in locked_for(ROOT / "requirements/device.txt", TARGETS[0])}
    for one in locked_for(LOCK, TARGETS[0]):
        assert one == device.get(one.name) or one.name == "pip"


@given(st.sampled_from(["numpy", "numpy>=2", "numpy==2.*", "numpy ==", "-e .", "numpy==2 --hash"]))
def test_a_line_that_pins_nothing_is_refused(line: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / "bad-lock.txt"
        lock.write_text(f"# a comment\n{line}\n")
        with pytest.raises(RuntimeBuildError, match=r"bad-lock\.txt: "):
            locked_for(lock, HERE)


@pytest.mark.process
def test_a_wheel_with_other_bytes_is_not_taken_from_the_cache(tmp_path: Path) -> None:
    file = wheel(tmp_path / "wheels", "tiny")
    pin = locked(file)
    assert fetch([pin], HERE, tmp_path / "wheels") == {"tiny": file}
    file.write_bytes(file.read_bytes() + b"x")
    command = "from pathlib import Path; from deeplens.runtime.wheels import fetch; "
    command += (
        "from deeplens.runtime.locked import Locked; from deeplens.runtime.targets import TARGETS;"
    )
    command += f"fetch([Locked('tiny', '1.0', {pin.hashes!r})], TARGETS[0], Path('wheels'))"
    result = subprocess.run(
        [sys.executable, "-c", command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "pip cannot download the wheels for amd64" in result.stderr


@pytest.mark.process
def test_a_pinned_runtime_is_checked_before_it_is_synthesized(tmp_path: Path) -> None:
    built = archive(tmp_path, wheel(tmp_path / "wheels", "tiny"))
    other = "amd64" if HERE.architecture == "aarch64" else "aarch64"
    pins = RuntimeConfig.model_validate({HERE.architecture: built.digest})
    [found] = load_runtime(tmp_path, pins)
    assert (found.architecture, found.digest) == (HERE.architecture, built.digest)
    assert load_runtime(tmp_path, RuntimeConfig()) == ()

    with pytest.raises(ConfigError, match=rf"runtime\.{other}: .*architecture is"):
        load_runtime(tmp_path, RuntimeConfig.model_validate({other: built.digest}))
    with pytest.raises(ConfigError, match="build it with `deeplens env runtime`"):
        load_runtime(tmp_path / "elsewhere", pins)
    built.path.write_bytes(b"no zip")
    with pytest.raises(ConfigError, match=built.digest):
        load_runtime(tmp_path, pins)
