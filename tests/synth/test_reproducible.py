"""A synthesis reads only the checkout, and writes the same bytes on every machine."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.synth.synthesis import ROOT, synthesize

pytestmark = pytest.mark.process

# The words that start a command in an empty network namespace. Some kernels deny the namespace.
_NO_NETWORK = ("unshare", "--map-root-user", "--net")


def without_network() -> tuple[str, ...]:
    """Return the words that start a command without a network; empty if the kernel denies this."""
    tried = subprocess.run([*_NO_NETWORK, "true"], check=False, capture_output=True)
    return _NO_NETWORK if tried.returncode == 0 else ()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A copy of the checkout with only the inputs of a synthesis."""
    copy = tmp_path / "another" / "place"
    copy.mkdir(parents=True)
    for name in ("stacks", "lambda_src", "environments", "models"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("app.py", "cdk.json"):
        shutil.copy(ROOT / name, copy / name)
    return copy


def test_another_folder_without_network_or_credentials_gives_the_same_bytes(
    assembly: Path, elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "CDK_DEFAULT_REGION", "CDK_DEFAULT_ACCOUNT"):
        monkeypatch.setenv(name, "us-west-1" if name.endswith("REGION") else "999999999999")
    again = tmp_path / "again"
    result = synthesize(again, elsewhere / "environments", elsewhere, within=without_network())
    assert result.returncode == 0, result.stderr
    compared = 0
    for file in assembly.rglob("*"):
        relative = file.relative_to(assembly)
        if file.is_file():
            assert (again / relative).read_bytes() == file.read_bytes(), relative
            compared += 1
    assert compared > 20
    assert {path.relative_to(again) for path in again.rglob("*")} == {
        path.relative_to(assembly) for path in assembly.rglob("*")
    }


def test_nothing_is_left_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No temporary file remains, even if the environment has function and training archives."""
    environments, temporary = tmp_path / "environments", tmp_path / "temporary"
    environments.mkdir()
    temporary.mkdir()
    dev = (ROOT / "environments/dev.toml").read_text(encoding="utf-8")
    dev = dev.replace("[inference]", '[inference]\nisolation_mode = "NoContainer"')
    dev = dev.replace("[fleet]", '[fleet]\ncore_runtime = "lite"')
    (environments / "dev.toml").write_text(f"{dev}\n[training]\nenabled = true\n")
    monkeypatch.setenv("TMPDIR", str(temporary))
    result = synthesize(tmp_path / "out", environments)
    assert result.returncode == 0, result.stderr
    assert list((tmp_path / "out").glob("asset.*.tar.gz"))
    assert list(temporary.iterdir()) == []


def test_an_assembly_holds_stack_traces_for_a_debugger_alone(
    assembly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not traced(assembly)
    # `cdk synth --debug` sets this variable.
    monkeypatch.setenv("CDK_DEBUG", "true")
    result = synthesize(tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert traced(tmp_path / "out")


def traced(assembly: Path) -> bool:
    metadata = [file.read_text(encoding="utf-8") for file in assembly.rglob("*.metadata.json")]
    assert metadata
    return any("aws:cdk:creationStack" in text for text in metadata)


def test_templates_decide_nothing_at_deploy_time(templates: dict[str, dict[str, Any]]) -> None:
    for name, template in templates.items():
        assert set(template.get("Parameters", {})) <= {"BootstrapVersion"}, name
        assert "Conditions" not in template, name
        assert "Fn::If" not in json.dumps(template), name


def test_nothing_is_looked_up(assembly: Path) -> None:
    for manifest in assembly.rglob("manifest.json"):
        assert "missing" not in json.loads(manifest.read_text(encoding="utf-8")), manifest
    assert not (ROOT / "cdk.context.json").exists()
