"""`pip install` of a checkout installs its modules, data files, dependencies and commands."""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from model_tools.artifact.provenance import provenance

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[3]
# The folders of the wheel, and the folder of the same package in the repository.
PACKAGES = {
    "deeplens": "deeplens",
    "deeplens/vendored/model_tools": "model_tools",
    "deeplens/vendored/shared": "lambda_src/shared",
}
OWN = {"deeplens", "model_tools", "shared"}
# The only files that import a package of an extra, with the extra's name.
EXTRAS = {
    "deeplens/review/replacement_rules.py": "review",
    "deeplens/vendored/model_tools/benchmark/plot.py": "plot",
}
# Modules that exist only on devices: Greengrass' SDK for Lambda functions, and AWS DeepLens'
# library.
OF_DEVICES = {"greengrasssdk", "awscam"}
# A package that only type checkers import.
STUBS = {"mypy_boto3_cloudformation"}
# Packages that run only in a checkout, because they operate the emulator or read an assembly.
OF_A_CHECKOUT = {"tools", "local_aws"}
NOT_INSTALLED_HERE = {name: name for name in ("matplotlib",)}
LOCKS = ("project", "development", "device", "local-aws")


@dataclass(frozen=True)
class Wheel:
    """A wheel of this checkout and its unpacked files."""

    folder: Path
    metadata: Message
    entry_points: str

    def sources(self) -> Iterator[Path]:
        return (file for file in self.folder.rglob("*.py"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    source, built, unpacked = (tmp_path_factory.mktemp(name) for name in ("src", "built", "wheel"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for folder in PACKAGES.values():
        shutil.copytree(
            ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--disable-pip-version-check", "--wheel-dir", built, source],
        check=True,
    )  # fmt: skip
    (file,) = built.glob("*.whl")
    zipfile.ZipFile(file).extractall(unpacked)
    (info,) = unpacked.glob("*.dist-info")
    metadata = message_from_string((info / "METADATA").read_text(encoding="utf-8"))
    return Wheel(unpacked, metadata, (info / "entry_points.txt").read_text(encoding="utf-8"))


def test_the_metadata_is_that_of_the_project(wheel: Wheel) -> None:
    assert wheel.metadata["Name"] == "deeplens-tensorflow"
    assert SpecifierSet(wheel.metadata["Requires-Python"]) == SpecifierSet(">=3.11,<3.14")
    assert wheel.metadata["License-Expression"] == "Apache-2.0"
    (licence,) = wheel.folder.glob("*.dist-info/licenses/LICENSE")
    assert licence.read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert "deeplens = deeplens.cli.main:main" in wheel.entry_points


def test_every_file_of_the_packages_is_in_the_wheel_and_nothing_else(wheel: Wheel) -> None:
    expected = {
        Path(package, file.relative_to(ROOT / folder))
        for package, folder in PACKAGES.items()
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    installed = {
        file.relative_to(wheel.folder)
        for file in wheel.folder.rglob("*")
        if file.is_file() and not file.relative_to(wheel.folder).parts[0].endswith(".dist-info")
    }
    assert {file.suffix for file in expected} > {".py", ".json", ".csv", ".typed"}
    assert {file.parts[0] for file in installed} == {"deeplens"}
    assert installed == expected


def requirements(wheel: Wheel) -> list[Requirement]:
    return [Requirement(text) for text in wheel.metadata.get_all("Requires-Dist", [])]


def declared(wheel: Wheel, *extras: str) -> set[str]:
    """Return the names of distributions that an installation with these extras requires."""
    return {
        canonicalize_name(requirement.name)
        for requirement in requirements(wheel)
        for extra in ("", *extras)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra})
    }


def imported(source: Path) -> set[str]:
    """Return the top-level names of third-party modules that a file imports.

    The names in `OF_DEVICES`, `OF_A_CHECKOUT` and `STUBS` are omitted.
    """
    names = set()
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names - set(sys.stdlib_module_names) - OWN - OF_DEVICES - OF_A_CHECKOUT - STUBS


@cache
def distributions(name: str) -> frozenset[str]:
    known = packages_by_module().get(name) or [NOT_INSTALLED_HERE[name]]
    return frozenset(canonicalize_name(distribution) for distribution in known)


packages_by_module = cache(packages_distributions)


def test_every_import_is_of_a_declared_dependency(wheel: Wheel) -> None:
    undeclared = set()
    for source in wheel.sources():
        path = source.relative_to(wheel.folder).as_posix()
        extra = EXTRAS.get(path, "")
        for name in imported(source):
            if not distributions(name) & declared(wheel, extra):
                undeclared.add((path, name))
    assert undeclared == set()


def test_every_dependency_without_an_extra_is_imported(wheel: Wheel) -> None:
    names = {name for source in wheel.sources() for name in imported(source)}
    used = {distribution for name in names for distribution in distributions(name)}
    assert declared(wheel) - used == set()


def test_every_range_admits_the_locked_versions(wheel: Wheel) -> None:
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        text = (ROOT / f"requirements/{lock}.txt").read_text(encoding="utf-8")
        for name, version in re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE):
            versions.setdefault(canonicalize_name(name), set()).add(version)
    for wanted in requirements(wheel):
        locked = versions.get(canonicalize_name(wanted.name), set())
        # TensorFlow's distribution has another name on each architecture, and a lock may contain
        # only one.
        assert locked or wanted.marker, f"{wanted.name} is not in a lock"
        assert all(wanted.specifier.contains(version) for version in locked), (wanted, locked)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64", "arm64"])
def test_each_processor_has_one_tensorflow(wheel: Wheel, machine: str) -> None:
    names = [
        requirement.name
        for requirement in requirements(wheel)
        if requirement.name.startswith("tensorflow")
        and requirement.marker
        and requirement.marker.evaluate({"extra": "", "platform_machine": machine})
    ]
    assert names == ["tensorflow-cpu" if machine == "x86_64" else "tensorflow"]


def run(wheel: Wheel, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the modules of the unpacked wheel, in another folder."""
    script = (
        f"import sys, deeplens.cli.main as cli, model_tools, shared.artifact; "
        f"files = [cli.__file__, model_tools.__file__, shared.artifact.__file__]; "
        f"assert all(one.startswith({str(wheel.folder)!r}) for one in files), files; "
        f"sys.argv = {['deeplens', *words]!r}; cli.main()"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(wheel.folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_answer_away_from_a_checkout(wheel: Wheel, tmp_path: Path) -> None:
    help_ = run(wheel, tmp_path, "model", "--help")
    assert "freeze" in help_.stdout, help_.stderr
    assert "provision" in run(wheel, tmp_path, "fleet", "--help").stdout
    failed = run(wheel, tmp_path, "fleet", "status", "dev")
    assert failed.returncode == 2
    assert failed.stderr == "Error: environments/dev.toml: no such environment file\n"


def test_releases_and_environment_files_are_read_away_from_a_checkout(
    wheel: Wheel, tmp_path: Path
) -> None:
    for name in ("environments", "models"):
        shutil.copytree(ROOT / name, tmp_path / name)
    listed = run(wheel, tmp_path, "release", "list", "--offline")
    assert (listed.returncode, "production" in listed.stdout) == (0, True), listed.stderr
    checked = run(wheel, tmp_path, "env", "check")
    assert (checked.returncode, checked.stdout.count("valid")) == (0, 3), checked.stderr


def test_the_commands_of_the_emulator_name_the_checkout_that_they_need(
    wheel: Wheel, tmp_path: Path
) -> None:
    failed = run(wheel, tmp_path, "local", "up")
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "in a checkout" in failed.stderr


def test_the_installed_tools_are_named_by_the_same_digest_as_the_checkouts(
    wheel: Wheel, tmp_path: Path
) -> None:
    manifest = {"files": {}}
    script = (
        "import sys, deeplens; from model_tools.artifact.provenance import provenance; "
        f"sys.stdout.buffer.write(provenance({manifest!r}, 'model.zip', '0' * 64))"
    )
    installed = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(wheel.folder)},
        capture_output=True,
        check=True,
    ).stdout
    digest = re.compile(rb'"dirHash": "([0-9a-f]{64})"')
    assert digest.findall(installed) == digest.findall(provenance(manifest, "model.zip", "0" * 64))
    assert len(digest.findall(installed)) == 1
