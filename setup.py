"""Adds to the wheel what the commands of `deeplens` import from the rest of the checkout."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
# By the folder in which deeplens/__init__.py finds them.
VENDORED = {"model_tools": ROOT / "model_tools", "shared": ROOT / "lambda_src" / "shared"}


class BuildWithVendored(build_py):
    """Copies the packages into `deeplens/vendored`, so that the wheel has one import name."""

    def run(self) -> None:
        """Build, and copy; an editable installation imports from the checkout."""
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
