"""Run libFuzzer on a target: `python -m testkit.fuzz.fuzz TARGET [FLAGS AND FOLDERS]`."""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["model_tools", "shared"]):
    from testkit.fuzz.targets import run


def main() -> None:
    """Pass the target to libFuzzer, which ends the process."""
    program, target, *flags = sys.argv

    def run_input(content: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            run(target, content, Path(folder))

    atheris.Setup([program, *flags], run_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
