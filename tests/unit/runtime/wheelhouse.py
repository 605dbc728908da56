"""Small wheels, and a runtime archive that contains these wheels."""

import base64
import hashlib
import io
import os
import platform
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

from deeplens.runtime.archive import Built, build
from deeplens.runtime.locked import Locked
from deeplens.runtime.targets import TARGETS, Target
from tests.python_3_12 import find_python_3_12, python_3_12

[HERE] = [target for target in TARGETS if target.machine == platform.machine()]


def wheel(folder: Path, name: str, version: str = "1.0", code: str = "") -> Path:
    """Write a minimal wheel that pip can install, with one module; return the wheel's path."""
    info = f"{name}-{version}.dist-info"
    members = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={_record_digest(text)},{len(text)}\n" for path, text in members.items()
    )
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in {**members, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-{version}-py3-none-any.whl"
    file.write_bytes(content.getvalue())
    return file


def _record_digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def locked(file: Path) -> Locked:
    name, version, *_ = file.name.split("-")
    return Locked(name, version, (hashlib.sha256(file.read_bytes()).hexdigest(),))


def archive(folder: Path, *wheels: Path, target: Target = HERE) -> Built:
    """Build a runtime with the pip of python3.12 or, without python3.12, of this Python."""
    pip = _pip_of(find_python_3_12() or Path(sys.executable))
    pins = [locked(file) for file in (*wheels, pip)]
    by_name = {one.name: file for one, file in zip(pins, (*wheels, pip), strict=True)}
    return build(pins, by_name, target, folder)


@cache
def _pip_of(python: Path) -> Path:
    """Return pip's wheel for `python -m venv`, whose folder depends on the Linux distribution."""
    where = (
        "import ensurepip, sysconfig; "
        "print(sysconfig.get_config_var('WHEEL_PKG_DIR') or ensurepip.__path__[0] + '/_bundled')"
    )
    folder = subprocess.run([python, "-c", where], capture_output=True, text=True, check=True)
    [pip] = Path(folder.stdout.strip()).glob("pip-*.whl")
    return pip


def unpacked(built: Built, folder: Path) -> Path:
    """Unpack a runtime as Greengrass does; return the folder."""
    with zipfile.ZipFile(built.path) as packed:
        packed.extractall(folder)
    return folder


def install(
    runtime: Path, into: Path, python: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the install step with an index URL that has no server."""
    return subprocess.run(
        [python or python_3_12(), runtime / "install_runtime.py", into],
        env={"PATH": os.environ["PATH"], "PIP_INDEX_URL": "http://127.0.0.1:9/simple"},
        capture_output=True,
        text=True,
        check=False,
    )


def pinned_pair(folder: Path) -> dict[str, str]:
    """Build a small runtime for each architecture; return the digests by architecture."""
    file = wheel(folder / "wheels", "tiny")
    return {target.architecture: archive(folder, file, target=target).digest for target in TARGETS}
