"""A synthesis with unchanged inputs restores the cached assembly; changed inputs create another."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stacks.assembly_cache import AssemblyCache
from stacks.synthesis import SynthesisRequest, restore_or_synthesize
from testkit.pinned import pinned_artifact
from tests.synth.synthesis import ROOT, synthesize

_CHECKOUT = (
    "stacks",
    "deeplens",
    "lambda_src",
    "model_tools",
    "environments",
    "models",
    "requirements",
)
_FILES = ("app.py", "cdk.json", "package.json", "package-lock.json")

# A program that runs app.py, and logs every file that Python opens.
_WATCHED = """
import runpy, sys
log = open(sys.argv[1], "w", buffering=1)
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        print(arguments[0], file=log)
sys.addaudithook(watch)
sys.path.insert(0, ".")
runpy.run_path("app.py", run_name="__main__")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of all files that a synthesis reads."""
    copy = tmp_path / "checkout"
    for name in _CHECKOUT:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, copy / name)
    return copy


def cache_key(checkout: Path, output: Path, **context: Any) -> str:
    flags = json.loads((checkout / "cdk.json").read_text(encoding="utf-8"))["context"]
    request = SynthesisRequest(checkout, output, {**flags, **context}, validated=False)
    return request.cache_key()


def files(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def append(file: str) -> Callable[[Path], None]:
    def change(checkout: Path) -> None:
        with (checkout / file).open("ab") as opened:
            opened.write(b"\n")

    return change


def touch_artifact(checkout: Path) -> None:
    os.utime(pinned_artifact(checkout), ns=(1, 1))


CHANGES = {
    "an environment file": append("environments/dev.toml"),
    "a stack": append("stacks/inference_stack.py"),
    "the configuration": append("deeplens/config/environment.py"),
    "the app": append("app.py"),
    "the device's code": append("lambda_src/inference/handler.py"),
    "a custom resource": append("lambda_src/custom_resources/model_artifact/__init__.py"),
    "a lock": append("requirements/project.txt"),
    "the command line's lock": append("package-lock.json"),
    "an artifact": touch_artifact,
    "the training job's code": append("model_tools/samples/headpose/sagemaker.py"),
    "the command line's version": append("package.json"),
    "a new source": lambda checkout: (checkout / "stacks" / "new.py").touch(),
    "a new environment": lambda checkout: (checkout / "environments" / "qa.toml").touch(),
    "a pipeline": lambda checkout: (checkout / "delivery.toml").touch(),
}


@pytest.mark.process
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_input_changes_the_key(
    checkout: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    before = cache_key(checkout, tmp_path)
    change(checkout)
    assert cache_key(checkout, tmp_path) != before


def test_another_context_changes_the_key(checkout: Path, tmp_path: Path) -> None:
    assert cache_key(checkout, tmp_path, environment="dev") != cache_key(checkout, tmp_path)


def test_a_variable_that_cdk_reads_is_an_input(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cache_key(checkout, tmp_path)
    monkeypatch.setenv("CDK_DEFAULT_REGION", "eu-west-3")
    assert cache_key(checkout, tmp_path) != before


def test_bytecode_and_the_output_folder_are_not_inputs(checkout: Path, tmp_path: Path) -> None:
    before = cache_key(checkout, tmp_path)
    (checkout / "stacks" / "__pycache__").mkdir()
    (checkout / "stacks" / "__pycache__" / "x.pyc").touch()
    assert cache_key(checkout, tmp_path / "elsewhere") == before


@pytest.mark.process
def test_every_file_that_a_synthesis_opens_is_an_input(checkout: Path, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    result = subprocess.run(
        [sys.executable, "-c", _WATCHED, opened],
        cwd=checkout,
        env={
            **os.environ,
            "PYTHONPATH": str(checkout),
            "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
            "CDK_VALIDATION": "false",
            "CDK_OUTDIR": str(tmp_path / "out"),
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    read = {
        path.relative_to(checkout)
        for line in opened.read_text(encoding="utf-8").splitlines()
        if (path := (checkout / line).resolve()).is_relative_to(checkout) and path.is_file()
    }
    read = {path for path in read if "__pycache__" not in path.parts and path.parts[0] != ".local"}
    # The context of cdk.json is a separate input of the cache.
    known = {*_CHECKOUT, *_FILES, ".lambda-layer"}
    assert len(read) > 50
    assert {path.parts[0] for path in read} <= known


@pytest.mark.process
def test_a_cached_assembly_equals_a_new_one_byte_for_byte(checkout: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("first", "cached", "again")]
    for output in outputs[:2]:
        assert synthesize(output, checkout / "environments", checkout).returncode == 0
    (entry,) = (checkout / ".local" / "synthesis").iterdir()
    shutil.rmtree(entry)
    assert synthesize(outputs[2], checkout / "environments", checkout).returncode == 0
    first, cached, again = (files(output) for output in outputs)
    assert len(first) > 20
    assert first == cached == again


# The second file is the code of a function.
@pytest.mark.parametrize("name", ["stage/a.template.json", "asset.0123.zip"])
def test_a_cached_assembly_whose_files_changed_is_ignored(tmp_path: Path, name: str) -> None:
    cache = AssemblyCache(tmp_path / "cache")
    assert cache.is_writable()
    with cache.new() as assembly:
        (assembly / "stage").mkdir(parents=True)
        (assembly / name).write_text("{}", encoding="utf-8")
        cache.store("key", assembly)
    assert cache.restore("key", tmp_path / "first")
    (tmp_path / "cache/key/assembly" / name).write_text("{ }")
    assert not cache.restore("key", tmp_path / "second")
    assert not (tmp_path / "second").exists()


def run(checkout: Path, output: Path, during: Callable[[], object]) -> None:
    """Run a synthesis that writes one file and then calls `during`."""

    def synthesize_manifest(assembly: Path) -> None:
        assembly.mkdir(exist_ok=True)
        (assembly / "manifest.json").write_text("{}", encoding="utf-8")
        during()

    request = SynthesisRequest(checkout, output, {}, validated=False)
    cache = AssemblyCache(checkout / ".local" / "synthesis")
    assert cache.is_writable()
    restore_or_synthesize(request, cache, synthesize_manifest)


def test_an_assembly_whose_inputs_changed_meanwhile_is_not_cached(
    checkout: Path, tmp_path: Path
) -> None:
    run(checkout, tmp_path / "out", lambda: append("environments/dev.toml")(checkout))
    assert (tmp_path / "out" / "manifest.json").is_file()
    assert list((checkout / ".local" / "synthesis").iterdir()) == []
    run(checkout, tmp_path / "out", lambda: None)
    assert len(list((checkout / ".local" / "synthesis").iterdir())) == 1


def test_an_assembly_that_cannot_be_cached_is_written(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AssemblyCache, "restore", lambda *_: False)
    run(checkout, tmp_path / "out", lambda: None)
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_a_large_artifact_is_linked_and_never_copied(tmp_path: Path) -> None:
    cache = AssemblyCache(tmp_path / "cache")
    assert cache.is_writable()
    with cache.new() as assembly:
        assembly.mkdir()
        (assembly / "asset.0123.zip").write_bytes(bytes(5 << 20))
        (assembly / "manifest.json").write_text("{}", encoding="utf-8")
        cache.store("key", assembly)
    assert cache.restore("key", tmp_path / "out")
    inode = (tmp_path / "cache/key/assembly/asset.0123.zip").stat().st_ino
    assert (tmp_path / "out/asset.0123.zip").stat().st_ino == inode


def test_only_the_newest_eight_are_cached(tmp_path: Path) -> None:
    cache = AssemblyCache(tmp_path / "cache")
    assert cache.is_writable()
    for number in range(10):
        with cache.new() as assembly:
            assembly.mkdir()
            (assembly / "manifest.json").write_text("{}", encoding="utf-8")
            cache.store(str(number), assembly)
        os.utime(tmp_path / "cache" / str(number), (number, number))
    remaining = [number for number in range(10) if cache.restore(str(number), tmp_path / "out")]
    assert remaining[-1] == 9
    assert len(remaining) == 8


@pytest.mark.process
def test_a_checkout_without_a_writable_cache_synthesizes(checkout: Path, tmp_path: Path) -> None:
    (checkout / ".local").write_text("not a folder", encoding="utf-8")
    result = synthesize(tmp_path / "out", checkout / "environments", checkout)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "manifest.json").is_file()


@pytest.mark.process
def test_one_environment_alone_has_the_same_templates(assembly: Path, tmp_path: Path) -> None:
    result = synthesize(tmp_path / "dev", environment="dev")
    assert result.returncode == 0, result.stderr
    alone = files(tmp_path / "dev" / "assembly-dev")
    assert alone == files(assembly / "assembly-dev")
    assert not (tmp_path / "dev" / "assembly-staging").exists()


@pytest.mark.process
def test_an_unknown_environment_is_one_line(tmp_path: Path) -> None:
    result = synthesize(tmp_path / "out", environment="prod")
    assert result.returncode == 1
    assert result.stderr == (
        "no environment is called 'prod'; there are: dev, production, staging\n"
    )


@pytest.mark.process
def test_the_app_without_the_command_line_writes_the_same_assembly(
    assembly: Path, checkout: Path
) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CDK_")}
    result = subprocess.run(
        [sys.executable, "app.py"],
        cwd=checkout,
        env={
            **environment,
            "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(checkout),
            "CDK_VALIDATION": "false",
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert files(checkout / "cdk.out") == files(assembly)
