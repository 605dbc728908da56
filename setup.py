"""Build of the wheel, with the packages outside of `deeplens` that its commands import."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
# The source folders of the packages by name; deeplens/__init__.py imports the packages from
# `deeplens/vendored`.
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
