"""Makes the camera's Python environment from the wheels beside this file; asks no network.

The install step of the runtime component: `python3.12 install_runtime.py FOLDER`. The environment
is made beside FOLDER and renamed when all of it is on disk and its packages import, so FOLDER is
either whole or not there. What a power cut leaves is made again; what is whole is left alone.

Nothing but the standard library. Exit codes: 0 the environment is there, 1 it cannot be made.
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
_WHOLE = "deeplens-runtime.json"
_KEPT_BESIDE = 1
_SHOWN_LINES = 3
# pip's own unpacking, byte code, and the file system's blocks.
_ROOM_FOR_EACH_BYTE = 1.5
_WITHOUT_NETWORK = ("--isolated", "--no-input", "--disable-pip-version-check", "--no-cache-dir")


class InstallError(Exception):
    """Why there is no environment; one line."""


def install(archive: Path, folder: Path) -> bool:
    """Make `folder` from the unpacked archive; return whether there was anything to do.

    A second process waits for the first one, which a core that was killed may have left behind.

    Raises:
        InstallError: this is not the runtime's Python or machine, a wheel is missing or not the
            locked one, the disk is full, or a package does not import.
    """
    manifest = _manifest(archive)
    _check_device(manifest)
    if _is_whole(folder, manifest):
        return False
    _check_wheels(archive, manifest)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.parent):
            if _is_whole(folder, manifest):
                return False
            _install_locked(archive, folder, manifest)
    except OSError as error:
        raise InstallError(f"{error.filename or folder}: {error.strerror or error}") from None
    return True


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other installer works in a folder; the lock ends with the process."""
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
        _check_room(folder.parent, manifest)
        _make(partial, archive, manifest)
        _remove(folder)
        partial.rename(folder)
    finally:
        _remove(partial)
    _forget_others(folder)


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
    wanted = manifest["python"]
    if ".".join(platform.python_version_tuple()[:2]) != wanted:
        raise InstallError(
            f"this runtime is for Python {wanted}, {sys.executable} is "
            f"{platform.python_version()}; install python{wanted} on the device"
        )
    if platform.machine() != manifest["machine"]:
        raise InstallError(
            f"this runtime is for {manifest['machine']}, the device is {platform.machine()}"
        )
    library, version = platform.libc_ver()
    if library == "glibc" and _numbers(version) < _numbers(manifest["glibc"]):
        raise InstallError(
            f"this runtime needs glibc {manifest['glibc']} or newer, the device has {version}; "
            "a newer operating system has it"
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _is_whole(folder: Path, manifest: dict[str, Any]) -> bool:
    """Whether `folder` was made from this very manifest, and its interpreter still runs."""
    try:
        made_of = json.loads((folder / _WHOLE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(made_of == manifest) and _runs(folder, "import sys") is None


def _check_wheels(archive: Path, manifest: dict[str, Any]) -> None:
    for name, expected in sorted(manifest["wheels"].items()):
        wheel = archive / WHEELS / name
        try:
            with wheel.open("rb") as content:
                found = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            raise InstallError(f"wheel {name}: cannot be read: {error.strerror}") from None
        if found != expected:
            raise InstallError(
                f"wheel {name}: SHA-256 is {found}, locked is {expected}; nothing was installed"
            )


def _check_room(where: Path, manifest: dict[str, Any]) -> None:
    needed = int(manifest["installed_bytes"] * _ROOM_FOR_EACH_BYTE)
    free = shutil.disk_usage(where).free
    if free < needed:
        raise InstallError(
            f"{where}: {free >> 20} MiB are free, the runtime needs {needed >> 20} MiB"
        )


def _make(partial: Path, archive: Path, manifest: dict[str, Any]) -> None:
    # pip comes with the wheels: not every system's Python has it.
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
    # Their first lines name the folder that is renamed; nothing here is started by them.
    for program in (partial / "bin").iterdir():
        if not program.name.startswith("python"):
            program.unlink()
    problem = _runs(partial, "".join(f"import {name}\n" for name in manifest["imports"]))
    if problem:
        raise InstallError(f"the packages do not import: {problem}")
    (partial / _WHOLE).write_text(json.dumps(manifest), encoding="utf-8")
    # A name must not reach the disk before what it names.
    os.sync()


def _runs(folder: Path, program: str) -> str | None:
    """Run a program on the folder's interpreter; return why that failed, or None."""
    # As the camera runs, it sees nothing but the environment and the standard library.
    command = [str(folder / "bin" / "python"), "-I", "-c", program]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - above
    except OSError as error:
        return str(error.strerror)
    return _last_lines(result.stderr) or "no word" if result.returncode else None


def _run(command: list[str], failed: str) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHON", "VIRTUAL_ENV"))
    }
    result = subprocess.run(  # noqa: S603 - fixed commands of this file
        command, capture_output=True, text=True, check=False, env=environment
    )
    if result.returncode:
        raise InstallError(f"{failed}: {_last_lines(result.stderr or result.stdout)}")


def _last_lines(text: str) -> str:
    return " | ".join([line.strip() for line in text.splitlines() if line.strip()][-_SHOWN_LINES:])


def _forget_others(folder: Path) -> None:
    """Keep the environment that was there before, for a roll-back; remove older ones."""
    others = [one for one in folder.parent.iterdir() if one != folder and one.is_dir()]
    whole = [one for one in others if (one / _WHOLE).is_file()]
    whole.sort(key=lambda one: one.stat().st_mtime, reverse=True)
    abandoned = [one for one in others if one.name.startswith(".") and one.suffix == ".partial"]
    for one in [*whole[_KEPT_BESIDE:], *abandoned]:
        _remove(one)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Install into the folder that is named; say what happened in one line."""
    if len(arguments) != 1:
        print("usage: install_runtime.py FOLDER", file=sys.stderr)
        return 1
    folder = Path(arguments[0]).absolute()
    try:
        made = install(Path(__file__).resolve().parent, folder)
    except InstallError as error:
        print(f"the runtime is not installed: {error}", file=sys.stderr)
        return 1
    print(f"the runtime is {'installed' if made else 'there already'}: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
