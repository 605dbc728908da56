"""A device that has only Python runs the camera with the deployed runtime component."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deeplens.config import load_environment
from local_aws.core_device.nucleus import Kind
from model_tools.samples.shapes.drawing import write_scenes
from testkit.checkout import ROOT, Checkout, restored_checkout
from tests.local.conftest import DeployedOnce
from tests.local.cores import Cores, full_cores
from tests.python_3_12 import python_3_12

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.walk,
    pytest.mark.timeout(1500),
]

# Parts of the loop's command line, as a Lambda component and as a generic component.
_CAMERAS = (b"lambda_runtime.py", b"-m\0camera\0")
# The URL of an unreachable package index: the discard port has no listener.
DEAD_INDEX = "http://127.0.0.1:9/simple"


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """A device's Python 3.12 without packages."""
    folder = tmp_path / "device-python"
    subprocess.run([python_3_12(), "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    imported = subprocess.run([python, "-c", "import numpy"], capture_output=True, check=False)
    assert imported.returncode != 0
    return python


@pytest.fixture(params=["classic", "lite"])
def nucleus(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


@pytest.fixture
def with_runtime(tmp_path: Path, deployed_once: DeployedOnce, nucleus: Kind) -> Iterator[Checkout]:
    """A checkout in which dev was deployed on this nucleus, with a pinned runtime for amd64."""
    root = tmp_path / "checkout"
    root.mkdir()
    with restored_checkout(root, deployed_once.root) as deployed:
        for other in ("staging", "production"):
            (deployed.root / f"environments/{other}.toml").unlink()
        write_scenes(deployed.root / ".local/scenes", 4, seed=0)
        file = deployed.root / "environments/dev.toml"
        runtime = ROOT / ".local/runtime"
        subprocess.run(
            [
                sys.executable,
                "-m",
                "deeplens",
                "env",
                "runtime",
                "--architecture",
                "amd64",
                "--pin",
                file,
            ],
            cwd=ROOT,
            check=True,
        )
        (deployed.root / ".local/runtime").symlink_to(runtime)
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("[fleet]", f'[fleet]\ncore_runtime = "{nucleus}"'))
        deployed.demo("deploy", "dev")
        yield deployed


def test_a_bare_device_without_a_network_runs_the_loop_from_the_runtime(
    with_runtime: Checkout, nucleus: Kind, bare_python: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".pip").mkdir()
    (home / ".pip/pip.conf").write_text(f"[global]\nindex-url = {DEAD_INDEX}\n")
    digest = load_environment(with_runtime.root / "environments/dev.toml").model.digest
    [stack] = (
        Cores(with_runtime, [])
        .client("cloudformation")
        .describe_stacks(StackName="dev-Devices")["Stacks"]
    )
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    with full_cores(
        with_runtime,
        1,
        outputs,
        "--device-python",
        bare_python,
        environment={"HOME": str(home)},
    ) as cores:
        cores.wait_until_all_run(digest)
        root = with_runtime.root / ".local/cores/dev-camera-1/greengrass/v2"
        # A Lambda component needs the runtime component to install packages. A generic component
        # installs its packages.
        installer, folder = {
            "classic": ("deeplens.dev.runtime", "work/deeplens.dev.runtime"),
            "lite": ("deeplens.dev.inference", "work/deeplens.dev.inference/runtime"),
        }[nucleus]
        log = (root / f"logs/{installer}.log").read_text()
        assert log.count("the runtime is installed") == 1
        [manifest] = (root / folder).glob("*/deeplens-runtime.json")
        packages = manifest.parent / "lib/python3.12/site-packages"
        mapped = {
            one for one in _libraries_of_camera(with_runtime.root) if "site-packages" in one.parts
        }
        assert all(one.is_relative_to(packages) for one in mapped)
        assert {"numpy", "openvino", "_awscrt.abi3.so"} <= {
            one.relative_to(packages).parts[0] for one in mapped
        }


def _libraries_of_camera(checkout: Path) -> set[Path]:
    """Return the shared libraries that the camera's process has mapped."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            below = (process / "cwd").readlink().is_relative_to(checkout)
            if below and any(one in (process / "cmdline").read_bytes() for one in _CAMERAS):
                lines = (process / "maps").read_text().splitlines()
                return {Path(line.split(None, 5)[5]) for line in lines if line.endswith(".so")}
        except OSError:
            continue
    raise AssertionError("no camera process")
