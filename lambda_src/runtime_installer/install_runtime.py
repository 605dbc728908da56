"""Create the camera's Python environment from the wheels in this file's folder, without network.

The runtime component runs this file as its install step: `python3.12 install_runtime.py FOLDER`.

The environment is created in the parent folder of FOLDER. It is renamed to FOLDER when all files
are on disk and all packages can be imported. FOLDER is therefore either complete or absent. A
complete environment is not changed. After a power failure, for example, an incomplete environment
is created again.

The file requires only the standard library. Exit codes: 0 if the environment exists, 1 if it cannot
be created or the usage is wrong.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MANIFEST = "runtime.json"
REQUIREMENTS = "requirements.txt"
WHEELS = "wheels"

_KEYS = {"python", "machine", "glibc", "installer", "installed_bytes", "imports", "wheels"}
_COMPLETE = "deeplens-runtime.json"
_PREVIOUS_ENVIRONMENTS = 1
_SHOWN_LINES = 3
# Required disk space per installed byte, including pip's unpacking, bytecode and file system
# blocks.
_DISK_BYTES_PER_BYTE = 1.5
_WITHOUT_NETWORK = ("--isolated", "--no-input", "--disable-pip-version-check", "--no-cache-dir")


class InstallError(Exception):
    """Raised if the environment cannot be created; the message has one line."""


def install(archive: Path, folder: Path) -> bool:
    """Create `folder` from the unpacked archive; return false if the folder is already complete.

    A second process waits for the first, which may still run after the nucleus was killed.

    Raises:
        InstallError: the manifest is not valid, the Python version, the machine or glibc does not
            match the runtime, a wheel is missing or does not have the locked digest, pip fails, the
            disk is full, or a package cannot be imported.
    """
    manifest = _manifest(archive)
    _check_device(manifest)
    if _is_complete(folder, manifest):
        return False
    _check_wheels(archive, manifest)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.parent):
            if _is_complete(folder, manifest):
                return False
            _install_locked(archive, folder, manifest)
    except OSError as error:
        raise InstallError(f"{error.filename or folder}: {error.strerror or error}") from None
    return True


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait for other installers, then hold the folder's lock, which is released on exit."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _install_locked(archive: Path, folder: Path, manifest: dict[str, Any]) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    _remove(partial)
    try:
        _check_disk_space(folder.parent, manifest)
        _create(partial, archive, manifest)
        _remove(folder)
        partial.rename(folder)
    finally:
        _remove(partial)
    _remove_others(folder)


def _manifest(archive: Path) -> dict[str, Any]:
    file = archive / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if not _KEYS - set(manifest):
            return manifest
    except OSError as error:
        raise InstallError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, TypeError):
        pass
    raise InstallError(f"{file}: is not the manifest of a runtime")


def _check_device(manifest: dict[str, Any]) -> None:
    version = manifest["python"]
    if ".".join(platform.python_version_tuple()[:2]) != version:
        raise InstallError(
            f"this runtime is for Python {version}, {sys.executable} is "
            f"{platform.python_version()}; install python{version} on the device"
        )
    if platform.machine() != manifest["machine"]:
        raise InstallError(
            f"this runtime is for {manifest['machine']}, the device is {platform.machine()}"
        )
    library, library_version = platform.libc_ver()
    if library == "glibc" and _numbers(library_version) < _numbers(manifest["glibc"]):
        raise InstallError(
            f"this runtime requires glibc {manifest['glibc']} or newer, the device has "
            f"{library_version}; install a newer operating system"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _is_complete(folder: Path, manifest: dict[str, Any]) -> bool:
    """Return whether `folder` was created from this manifest and has a working interpreter."""
    try:
        installed = json.loads((folder / _COMPLETE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(installed == manifest) and _runs(folder, "import sys") is None


def _check_wheels(archive: Path, manifest: dict[str, Any]) -> None:
    for name, expected in sorted(manifest["wheels"].items()):
        wheel = archive / WHEELS / name
        try:
            with wheel.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise InstallError(f"wheel {name}: cannot be read: {error.strerror}") from None
        if digest != expected:
            raise InstallError(
                f"wheel {name}: SHA-256 is {digest}, expected {expected}; nothing was installed"
            )


def _check_disk_space(folder: Path, manifest: dict[str, Any]) -> None:
    needed = int(manifest["installed_bytes"] * _DISK_BYTES_PER_BYTE)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InstallError(
            f"{folder}: {free >> 20} MiB are free, the runtime requires {needed >> 20} MiB"
        )


def _create(partial: Path, archive: Path, manifest: dict[str, Any]) -> None:
    # The archive contains pip, because Python lacks it on some systems.
    _run([sys.executable, "-m", "venv", "--without-pip", str(partial)], "python -m venv failed")
    _run(
        [
            str(partial / "bin" / "python"),
            f"{archive / WHEELS / manifest['installer']}/pip",
            *("install", "--quiet"),
            *_WITHOUT_NETWORK,
            *("--no-index", f"--find-links={archive / WHEELS}"),
            *("--no-deps", "--only-binary=:all:", "--require-hashes"),
            f"--requirement={archive / REQUIREMENTS}",
        ],
        "pip cannot install the wheels",
    )
    # Scripts would contain the folder's path before the renaming. The camera does not use scripts,
    # so they are deleted.
    for program in (partial / "bin").iterdir():
        if not program.name.startswith("python"):
            program.unlink()
    problem = _runs(partial, "".join(f"import {name}\n" for name in manifest["imports"]))
    if problem:
        raise InstallError(f"the packages do not import: {problem}")
    (partial / _COMPLETE).write_text(json.dumps(manifest), encoding="utf-8")
    # The content must be on disk before the folder is renamed.
    os.sync()


def _runs(folder: Path, program: str) -> str | None:
    """Run a program with the folder's interpreter; return the error if it fails, otherwise None."""
    # `-I` limits imports to the environment and the standard library, as for the camera.
    command = [str(folder / "bin" / "python"), "-I", "-c", program]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed command
    except OSError as error:
        return str(error.strerror)
    return _last_lines(result.stderr) or "no output" if result.returncode else None


def _run(command: list[str], failed: str) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV"))
    }
    result = subprocess.run(  # noqa: S603 - fixed commands
        command, capture_output=True, text=True, check=False, env=environment
    )
    if result.returncode:
        raise InstallError(f"{failed}: {_last_lines(result.stderr or result.stdout)}")


def _last_lines(text: str) -> str:
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-_SHOWN_LINES:])


def _remove_others(folder: Path) -> None:
    """Remove partial and old environments, except the previous one, which a rollback requires."""
    others = [path for path in folder.parent.iterdir() if path != folder and path.is_dir()]
    complete = [path for path in others if (path / _COMPLETE).is_file()]
    complete.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    partial = [path for path in others if path.name.startswith(".") and path.suffix == ".partial"]
    for path in [*complete[_PREVIOUS_ENVIRONMENTS:], *partial]:
        _remove(path)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Install the environment into the given folder, print the result, and return the exit code."""
    if len(arguments) != 1:
        print("usage: install_runtime.py FOLDER", file=sys.stderr)
        return 1
    folder = Path(arguments[0]).absolute()
    try:
        installed = install(Path(__file__).resolve().parent, folder)
    except InstallError as error:
        print(f"the runtime is not installed: {error}", file=sys.stderr)
        return 1
    print(f"the runtime is {'installed' if installed else 'there already'}: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
