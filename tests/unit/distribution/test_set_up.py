"""`make setup` installs all packages that the demo and the commands import."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
# Packages that need only requirements/project.txt.
PACKAGES = ("deeplens", "model_tools", "stacks")
_IMPORT_ALL = """
import importlib, pkgutil, sys
blocked, packages = (words.split(",") for words in sys.argv[1:])
sys.modules.update(dict.fromkeys(blocked))
for package in map(importlib.import_module, packages):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
"""


def locked(name: str) -> set[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return {canonicalize_name(line) for line in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def installed_for_development_only() -> list[str]:
    names = locked("development") - locked("project")
    return [
        module
        for module, distributions in packages_distributions().items()
        if {canonicalize_name(name) for name in distributions} <= names
    ]


@pytest.mark.process
@pytest.mark.slow
def test_the_demo_and_the_command_lines_import_nothing_else() -> None:
    blocked = installed_for_development_only()
    assert {"cfnlint", "pytest", "yaml"} <= set(blocked)
    words = [",".join(one) for one in (blocked, PACKAGES)]
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
