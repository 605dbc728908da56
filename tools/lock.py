"""Resolve requirements/*.in into lock files with hashes and without an index URL."""

import argparse
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
OVERRIDES = Path(__file__).with_name("lock_overrides.txt")


def main() -> int:
    """Write requirements/<name>.txt for every requirements/<name>.in, and return the exit code."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    locked: set[Path] = set()
    for source in sorted(REQUIREMENTS.glob("*.in")):
        _lock(source, locked)
    return 0


def _lock(source: Path, locked: set[Path]) -> None:
    """Lock one file, after the files whose versions constrain it."""
    if source in locked:
        return
    locked.add(source)
    for line in source.read_text(encoding="utf-8").splitlines():
        if line.startswith("-c "):
            _lock((REQUIREMENTS / line.removeprefix("-c ").strip()).with_suffix(".in"), locked)
    print(f"lock: {source.name}")
    subprocess.run(  # noqa: S603 - the project's own installer, fixed arguments
        [
            Path(sys.executable).with_name("uv"),
            "pip",
            "compile",
            "--quiet",
            "--universal",
            "--upgrade",
            "--generate-hashes",
            "--no-emit-index-url",
            "--no-header",
            "--python-version=3.11",
            f"--overrides={OVERRIDES}",
            source.name,
            f"--output-file={source.stem}.txt",
        ],
        cwd=REQUIREMENTS,
        check=True,
    )


if __name__ == "__main__":
    sys.exit(main())
