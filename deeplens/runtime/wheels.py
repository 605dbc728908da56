"""Wheels of the lock, downloaded once and checked."""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from deeplens.runtime.errors import RuntimeBuildError
from deeplens.runtime.locked import Locked
from deeplens.runtime.targets import PYTHON, Target

_SHOWN_LINES = 3


def fetch(locked: list[Locked], target: Target, folder: Path) -> dict[str, Path]:
    """Return the wheel of each distribution, by name; download what `folder` does not have.

    Raises:
        RuntimeBuildError: there is no such wheel for the target, or no index can be asked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [one for one in locked if _kept(one, folder) is None]
    if missing:
        _download(missing, target, folder)
    found = {one.name: _kept(one, folder) for one in locked}
    absent = [one.line().split(" ")[0] for one in locked if found[one.name] is None]
    if absent:
        raise RuntimeBuildError(f"no wheel for {target.architecture} of: {', '.join(absent)}")
    return {name: wheel for name, wheel in found.items() if wheel is not None}


def _kept(one: Locked, folder: Path) -> Path | None:
    """Return the wheel that is in the folder with one of the lock's hashes."""
    for wheel in sorted(folder.glob("*.whl")):
        try:
            name, version, _, _ = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename:
            continue
        if (
            name == canonicalize_name(one.name)
            and str(version) == one.version
            and sha256_of(wheel) in one.hashes
        ):
            return wheel
    return None


def _download(locked: list[Locked], target: Target, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="deeplens-runtime-") as scratch:
        requirements = Path(scratch) / "requirements.txt"
        lines = "".join(f"{one.line()}\n" for one in locked)
        requirements.write_text(lines, encoding="utf-8")
        platforms = [f"--platform={name}" for name in target.platforms]
        result = subprocess.run(  # noqa: S603 - this environment's own pip, fixed arguments
            [
                sys.executable, "-m", "pip", "download", "--quiet", "--no-input",
                "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
                "--require-hashes", "--implementation=cp", f"--python-version={PYTHON}",
                f"--abi=cp{PYTHON.replace('.', '')}", "--abi=abi3", "--abi=none", *platforms,
                f"--requirement={requirements}", f"--dest={folder}",
            ],
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    if result.returncode:
        said = [line for line in result.stderr.splitlines() if line.strip()][-_SHOWN_LINES:]
        raise RuntimeBuildError(
            f"pip cannot download the wheels for {target.architecture}: {' | '.join(said)}"
        )


def sha256_of(file: Path) -> str:
    """SHA-256 of a file's bytes, lower-case hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
