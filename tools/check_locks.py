"""Check that each lock resolves on every supported platform and Python, with wheels only.

The check queries the package index and downloads no packages. It does not check that the packages
run.

Exit codes: 0 every lock resolves; 1 a lock does not resolve, and the reason is printed.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.lock import REQUIREMENTS

# Platform names of uv. On Arm, OpenVINO needs glibc 2.35, so Debian 12 or Ubuntu 22.04.
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_35", "aarch64-apple-darwin")
PYTHONS = ("3.11", "3.12", "3.13")
# Locks that are installed only on AWS Lambda, so the platform of the deploying machine is
# irrelevant.
_LAMBDA = frozenset({"lambda"})
_ON_LAMBDA = ("x86_64-manylinux_2_28", "3.12")


@dataclass(frozen=True)
class Target:
    """A lock on a platform with a Python version."""

    lock: str
    platform: str
    python: str

    def __str__(self) -> str:
        return f"{self.lock}.txt on {self.platform}, Python {self.python}"


def targets(locks: Sequence[str]) -> list[Target]:
    """Return every combination of lock, platform and Python to resolve."""
    return [
        Target(lock, platform, python)
        for lock, platform, python in itertools.product(locks, PLATFORMS, PYTHONS)
        if lock not in _LAMBDA or (platform, python) == _ON_LAMBDA
    ]


def resolution_error(target: Target) -> str:
    """Return the reason why the lock does not resolve; an empty string if the lock resolves."""
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(  # noqa: S603 - the project's own installer, fixed arguments
            [
                Path(sys.executable).with_name("uv"),
                "pip",
                "install",
                "--dry-run",
                "--quiet",
                "--no-deps",
                "--require-hashes",
                "--only-binary=:all:",
                f"--target={folder}",
                f"--python-platform={target.platform}",
                f"--python-version={target.python}",
                f"--requirement={REQUIREMENTS / target.lock}.txt",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    return "" if result.returncode == 0 else result.stderr.strip()


def main() -> int:
    """Print the locks that do not resolve, and return the exit code."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    every = targets(sorted(file.stem for file in REQUIREMENTS.glob("*.txt")))
    with ThreadPoolExecutor(4) as pool:
        reasons = dict(zip(every, pool.map(resolution_error, every), strict=True))
    failed = {target: reason for target, reason in reasons.items() if reason}
    for target, reason in failed.items():
        print(f"{target} does not resolve:\n{reason}\n", file=sys.stderr)
    print(
        f"{len(every) - len(failed)} of {len(every)} resolve: locks on {', '.join(PLATFORMS)}; "
        f"Python {', '.join(PYTHONS)}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
