"""Download and check the wheels of the lock."""

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
    """Return the wheel of each distribution, by name; missing wheels are downloaded.

    Raises:
        RuntimeBuildError: a wheel for the target does not exist, or pip cannot download a wheel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [package for package in locked if _downloaded(package, folder) is None]
    if missing:
        _download(missing, target, folder)
    wheels = {package.name: _downloaded(package, folder) for package in locked}
    absent = [package.line().split(" ")[0] for package in locked if wheels[package.name] is None]
    if absent:
        raise RuntimeBuildError(f"no wheel for {target.architecture} of: {', '.join(absent)}")
    return {name: wheel for name, wheel in wheels.items() if wheel is not None}


def _downloaded(package: Locked, folder: Path) -> Path | None:
    """Return the package's wheel in the folder if the lock contains its hash, otherwise None."""
    for wheel in sorted(folder.glob("*.whl")):
        try:
            name, version, _, _ = parse_wheel_filename(wheel.name)
        except InvalidWheelFilename:
            continue
        if (
            name == canonicalize_name(package.name)
            and str(version) == package.version
            and sha256_of(wheel) in package.hashes
        ):
            return wheel
    return None


def _download(locked: list[Locked], target: Target, folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="deeplens-runtime-") as scratch:
        requirements = Path(scratch) / "requirements.txt"
        lines = "".join(f"{package.line()}\n" for package in locked)
        requirements.write_text(lines, encoding="utf-8")
        platforms = [f"--platform={name}" for name in target.platforms]
        result = subprocess.run(  # noqa: S603 - pip of this environment, with fixed arguments
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
        last_lines = [line for line in result.stderr.splitlines() if line.strip()][-_SHOWN_LINES:]
        raise RuntimeBuildError(
            f"pip cannot download the wheels for {target.architecture}: {' | '.join(last_lines)}"
        )


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file in lower-case hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
