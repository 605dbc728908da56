"""Resolve requirements/*.in into hashed, index-free lock files, one per environment."""

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"


def main() -> int:
    """Write requirements/<name>.txt for every requirements/<name>.in; return an exit code."""
    uv = Path(sys.executable).with_name("uv")
    for source in sorted(REQUIREMENTS.glob("*.in")):
        print(f"lock: {source.name}")
        subprocess.run(  # noqa: S603 - the project's own installer, fixed arguments
            [
                uv,
                "pip",
                "compile",
                "--quiet",
                "--universal",
                "--upgrade",
                "--generate-hashes",
                "--no-emit-index-url",
                "--no-header",
                "--python-version=3.11",
                source.name,
                f"--output-file={source.stem}.txt",
            ],
            cwd=REQUIREMENTS,
            check=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
