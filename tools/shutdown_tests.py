"""Run the tests of the camera's shutdown on each supported Python of this machine.

Each Python has an environment with a device's packages (for example, .venv-device-3.12). The
environment is created from requirements/device.txt and reused until that file or the interpreter
changes. Options that are not listed below are passed to pytest.

Exit codes: that of pytest; 1 an environment cannot be created.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.11", "3.12", "3.13")
# Python versions that do not start threads during finalization.
_STRICT = VERSIONS[1:]
_LOCK = ROOT / "requirements" / "device.txt"
_TESTS = ("tests/device/test_shutdown.py", "tests/device/test_shutdown_order.py")


def main() -> int:
    """Create the environments, run the tests, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--elsewhere",
        action="store_true",
        help="only print the make target, test-shutdown, if this machine has no Python "
        f"{' or '.join(_STRICT)}, so that it must run on another one",
    )
    options, passed_on = parser.parse_known_args()
    pythons = {version: python for version in VERSIONS if (python := find(version))}
    if options.elsewhere:
        print("" if set(pythons) & set(_STRICT) else "test-shutdown")
        return 0
    for version, python in pythons.items():
        if version != _checkout_version():
            try:
                _create_environment(version, python)
            except subprocess.CalledProcessError as error:
                print(f"shutdown_tests: {' '.join(map(str, error.cmd))} failed", file=sys.stderr)
                return 1
    code = subprocess.run(  # noqa: S603 - the project's own tests
        [sys.executable, "-m", "pytest", "-q", *_TESTS, *passed_on], cwd=ROOT, check=False
    ).returncode
    print(f"shutdown_tests: ran on Python {', '.join(map(_full_version, pythons.values()))}")
    return code


def find(version: str) -> Path | None:
    """Return a working interpreter of a version, from PATH or pyenv, or None."""
    on_path = shutil.which(f"python{version}")
    pyenv = (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python{version}")
    for candidate in [*([Path(on_path)] if on_path else []), *sorted(pyenv)]:
        # PATH may contain a version manager's shim without an interpreter.
        if _full_version(candidate).startswith(f"{version}."):
            return candidate
    return None


def _full_version(python: Path) -> str:
    """Return the version of an interpreter, such as 3.12.1, or "" if it does not run."""
    program = "import platform; print(platform.python_version())"
    result = subprocess.run(  # noqa: S603 - an interpreter of this machine
        [python, "-c", program], capture_output=True, text=True, check=False
    )
    return result.stdout.strip()


def _checkout_version() -> str:
    """Return the version of .venv-device, such as 3.11."""
    return _full_version(ROOT / ".venv-device" / "bin" / "python").rpartition(".")[0]


def _create_environment(version: str, python: Path) -> None:
    folder = ROOT / f".venv-device-{version}"
    source_digest = hashlib.sha256(_LOCK.read_bytes() + os.fsencode(python)).hexdigest()
    ready = folder / ".ready"
    if ready.is_file() and ready.read_text(encoding="utf-8") == source_digest:
        return
    print(f"shutdown_tests: a device's packages into {folder.name}", flush=True)
    uv = Path(sys.executable).with_name("uv")
    make: list[str | Path] = [uv, "venv", "--quiet", "--clear", "--python", python, folder]
    install: list[str | Path] = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    # Bytecode is compiled now, because the processes of the tests must not write bytecode.
    install += ["--compile-bytecode", "--requirement", _LOCK, "--python", folder]
    for command in (make, install):
        subprocess.run(command, check=True)  # noqa: S603 - the project's installer
    ready.write_text(source_digest, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
