"""Pack wheels into one reproducible zip: sorted names, fixed times, no additional compression."""

import hashlib
import json
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_wheel_filename

from deeplens.runtime.errors import RuntimeBuildError
from deeplens.runtime.locked import Locked
from deeplens.runtime.targets import PYTHON, Target
from deeplens.runtime.wheels import sha256_of

ARCHIVE_NAME = "runtime.zip"
FORMAT = 1

_INSTALLER = (
    Path(__file__).resolve().parents[2] / "lambda_src" / "runtime_installer" / "install_runtime.py"
)
_FIRST_TIME_OF_A_ZIP = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644
_GLIBC = re.compile(r"manylinux_2_([0-9]+)_")
_LEGACY_MINORS = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}
# The package that installs the other wheels; the archive contains it, so that a device needs only
# Python.
_INSTALLER_PACKAGE = "pip"
# Modules that must be importable in a complete environment, by package.
_IMPORTS = {
    "awsiotsdk": "awsiot.greengrasscoreipc.clientv2",
    "jsonschema": "jsonschema",
    "numpy": "numpy",
    "opencv-python-headless": "cv2",
    "openvino": "openvino",
    "pillow": "PIL.Image",
    "protobuf": "google.protobuf.text_format",
}


@dataclass(frozen=True)
class Built:
    """The runtime archive of one architecture, with its SHA-256."""

    architecture: str
    digest: str
    path: Path


def build(locked: list[Locked], wheels: dict[str, Path], target: Target, folder: Path) -> Built:
    """Write `folder`/<digest>/runtime.zip, and return it with its digest.

    Raises:
        RuntimeBuildError: the lock does not contain pip, a wheel is not a zip, or the folder cannot
            be written.
    """
    if _INSTALLER_PACKAGE not in wheels:
        raise RuntimeBuildError(
            f"the lock does not contain {_INSTALLER_PACKAGE}, which installs the other packages"
        )
    requirements = "".join(
        Locked(package.name, package.version, (sha256_of(wheels[package.name]),)).line() + "\n"
        for package in locked
        if package.name != _INSTALLER_PACKAGE
    ).encode()
    manifest = json.dumps(_manifest(locked, wheels, target, requirements), indent=1, sort_keys=True)
    members: dict[str, bytes | Path] = {
        "install_runtime.py": _INSTALLER,
        "requirements.txt": requirements,
        "runtime.json": f"{manifest}\n".encode(),
        **{f"wheels/{wheel.name}": wheel for wheel in wheels.values()},
    }
    partial = folder / f".{target.architecture}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(partial, members)
        digest = sha256_of(partial)
        archive = folder / digest / ARCHIVE_NAME
        archive.parent.mkdir(exist_ok=True)
        partial.replace(archive)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise RuntimeBuildError(f"{folder}: cannot be written: {error.strerror}") from None
    return Built(target.architecture, digest, archive)


def _manifest(
    locked: list[Locked], wheels: dict[str, Path], target: Target, requirements: bytes
) -> dict[str, object]:
    return {
        "format": FORMAT,
        "python": PYTHON,
        "installer": wheels[_INSTALLER_PACKAGE].name,
        "architecture": target.architecture,
        "machine": target.machine,
        "glibc": f"2.{max(_glibc_minor(wheel) for wheel in wheels.values())}",
        "packages": {package.name: package.version for package in locked},
        "requirements_sha256": hashlib.sha256(requirements).hexdigest(),
        "wheels": {wheel.name: sha256_of(wheel) for wheel in wheels.values()},
        "installed_bytes": sum(_unpacked_bytes(wheel) for wheel in wheels.values()),
        "imports": [_IMPORTS[package.name] for package in locked if package.name in _IMPORTS],
    }


def _glibc_minor(wheel: Path) -> int:
    """Return the minor version of glibc 2 that a wheel requires; 0 for pure Python."""
    minors = []
    for tag in parse_wheel_filename(wheel.name)[3]:
        match = _GLIBC.match(tag.platform)
        legacy = _LEGACY_MINORS.get(tag.platform.split("_")[0], 0)
        minors.append(int(match[1]) if match else legacy)
    return min(minors)


def _unpacked_bytes(wheel: Path) -> int:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return sum(info.file_size for info in archive.infolist())
    except zipfile.BadZipFile:
        raise RuntimeBuildError(f"{wheel}: is not a wheel") from None


def _write(file: Path, members: dict[str, bytes | Path]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(members.items()):
            info = zipfile.ZipInfo(name, _FIRST_TIME_OF_A_ZIP)
            info.external_attr = _READABLE << 16
            # The value 3 is Unix. The default depends on the host, and so would the bytes of the
            # archive.
            info.create_system = 3
            data = content if isinstance(content, bytes) else content.read_bytes()
            archive.writestr(info, data, zipfile.ZIP_STORED)
