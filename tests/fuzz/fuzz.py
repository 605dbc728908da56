"""libFuzzer on one target: `python -m tests.fuzz.fuzz TARGET [libFuzzer's flags and folders]`."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["model_tools", "shared"]):
    from tests.fuzz.targets import run


def main() -> None:
    """Hand the process to libFuzzer, which ends it itself."""
    program, target, *flags = sys.argv

    def once(content: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            run(target, content, Path(folder))

    atheris.Setup([program, *flags], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
