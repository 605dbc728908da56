"""Adds to the wheel the packages outside of `deeplens` that the commands of `deeplens` import."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
# The packages by their folder in `deeplens/vendored`, from which deeplens/__init__.py imports them.
VENDORED = {"model_tools": ROOT / "model_tools", "shared": ROOT / "lambda_src" / "shared"}


class BuildWithVendored(build_py):
    """A build that copies packages to `deeplens/vendored`: the wheel has one top-level package."""

    def run(self) -> None:
        """Build, and copy the packages; an editable installation imports them from the checkout."""
        super().run()
        if not self.editable_mode:
            for name, folder in VENDORED.items():
                shutil.copytree(
                    folder,
                    Path(self.build_lib) / "deeplens" / "vendored" / name,
                    ignore=shutil.ignore_patterns("__pycache__"),
                    dirs_exist_ok=True,
                )


setup(cmdclass={"build_py": BuildWithVendored})
