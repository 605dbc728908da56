"""The peers' templates equal the project's, so benchmarks compare the same work.

`equality.py` defines the comparison.
"""

import difflib
import importlib.metadata
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deeplens.assembly import Stack, read_json
from tests.peers.equality import Template, normal
from tests.peers.peers import NODE, PEERS, run

pytestmark = [pytest.mark.process, pytest.mark.slow]

ENVIRONMENTS = ("dev", "staging", "production", "sparse", "rich-one")
STACKS_PER_ENVIRONMENT = 4


def test_javascript_has_the_same_templates(
    own: dict[str, Stack], javascript: dict[str, Stack]
) -> None:
    assert sorted(javascript) == sorted(f"{name}-Monitoring" for name in ENVIRONMENTS)
    templates, peer = _templates(own), _templates(javascript)
    for name in own:
        assert _types(peer[name]) == _types(templates[name]), name
    expected, actual = normal(templates), normal(peer)
    lines = [line for name in own for line in _difference(name, expected[name], actual[name])]
    if lines:
        pytest.fail("\n".join(["the peer's templates differ:", *lines]), pytrace=False)


def test_javascript_has_the_same_accounts_and_protection(
    own: dict[str, Stack], javascript: dict[str, Stack]
) -> None:
    def protection(stacks: Mapping[str, Stack]) -> dict[str, tuple[bool, str]]:
        return {
            name: (stack.termination_protection, stack.account) for name, stack in stacks.items()
        }

    assert protection(javascript) == protection(own)


def test_the_application_with_cdks_defaults_has_the_same_templates_byte_for_byte(
    own_assembly: Path, default_assembly: Path
) -> None:
    files = _files(own_assembly)
    assert len(files) == len(ENVIRONMENTS) * STACKS_PER_ENVIRONMENT
    assert _files(default_assembly) == files


def test_the_peers_stack_by_this_project_has_the_same_templates_byte_for_byte(
    own_assembly: Path, monitoring_assembly: Path
) -> None:
    files = {name: file for name, file in _files(own_assembly).items() if "Monitoring" in name}
    assert len(files) == len(ENVIRONMENTS)
    assert _files(monitoring_assembly) == files


def test_javascript_uses_the_libraries_of_the_python_packages() -> None:
    dependencies = read_json(PEERS / "javascript" / "package.json")["dependencies"]
    for package in ("aws-cdk-lib", "constructs"):
        installed = read_json(PEERS / "javascript" / "node_modules" / package / "package.json")
        version = importlib.metadata.version(package)
        assert dependencies[package] == version == installed["version"]


def test_javascript_rejects_a_setting_that_it_does_not_have(
    tmp_path: Path, environments: Path
) -> None:
    text = (environments / "dev.toml").read_text(encoding="utf-8")
    file = tmp_path / "dev.toml"
    file.write_text(f"{text}\n[[rollout.waves]]\npercent = 10\n", encoding="utf-8")
    settings = {"ENVIRONMENTS": str(tmp_path), "CDK_OUTDIR": str(tmp_path / "out")}
    result = run([NODE, PEERS / "javascript" / "app.js"], settings)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"{file}: rollout.waves: " in result.stderr


def _files(assembly: Path) -> dict[str, bytes]:
    return {
        file.relative_to(assembly).as_posix(): file.read_bytes()
        for file in assembly.glob("assembly-*/*.template.json")
    }


def _templates(stacks: Mapping[str, Stack]) -> dict[str, Template]:
    return {name: stack.template for name, stack in stacks.items()}


def _types(template: Template) -> Counter[str]:
    return Counter(resource["Type"] for resource in template["Resources"].values())


def _difference(name: str, own: Any, peer: Any) -> list[str]:
    if own == peer:
        return []
    own_lines, peer_lines = (
        json.dumps(template, indent=1, sort_keys=True).splitlines() for template in (own, peer)
    )
    return list(difflib.unified_diff(own_lines, peer_lines, f"{name}, own", "peer", lineterm=""))
