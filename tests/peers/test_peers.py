"""What synthesis is measured against makes the same templates: else the ratio says nothing.

`equality.py` says what is compared, and what is not. The peers refuse settings that they do not
have (roles of DeepLens, waves, Object Lock, nucleus lite, no monitoring).
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
from tests.peers.peers import BENCHMARKS_PYTHON, NODE, PEERS, run

pytestmark = [pytest.mark.process, pytest.mark.slow]

ENVIRONMENTS = ("dev", "staging", "production", "sparse", "rich-one")
STACKS = ("ModelStore", "Devices", "Inference", "Monitoring")


def test_the_javascript_twin_makes_the_same_templates(
    own: dict[str, Stack], javascript: dict[str, Stack]
) -> None:
    _assert_equal(_templates(own), _templates(javascript))


def test_troposphere_makes_the_same_templates(own: dict[str, Stack], troposphere: Path) -> None:
    suffix = ".template.json"
    written = {
        file.name.removesuffix(suffix): read_json(file) for file in troposphere.glob(f"*{suffix}")
    }
    _assert_equal(_templates(own), written)


def test_the_javascript_twin_protects_the_same_stacks(
    own: dict[str, Stack], javascript: dict[str, Stack]
) -> None:
    def protected(stacks: Mapping[str, Stack]) -> dict[str, tuple[bool, str]]:
        return {
            name: (stack.termination_protection, stack.account) for name, stack in stacks.items()
        }

    assert protected(javascript) == protected(own)


def test_the_application_by_default_makes_the_same_templates_byte_for_byte(
    own_assembly: Path, default_assembly: Path
) -> None:
    def files(folder: Path) -> dict[str, bytes]:
        return {
            file.relative_to(folder).as_posix(): file.read_bytes()
            for file in folder.glob("assembly-*/*.template.json")
        }

    assert len(files(own_assembly)) == len(ENVIRONMENTS) * len(STACKS)
    assert files(default_assembly) == files(own_assembly)


def test_the_javascript_twin_has_the_libraries_of_the_python_packages() -> None:
    wanted = read_json(PEERS / "javascript" / "package.json")["dependencies"]
    for package in ("aws-cdk-lib", "constructs"):
        installed = read_json(PEERS / "javascript" / "node_modules" / package / "package.json")
        assert wanted[package] == importlib.metadata.version(package) == installed["version"]


@pytest.mark.parametrize("peer", ["javascript", "troposphere"])
def test_a_peer_refuses_a_setting_that_it_does_not_have(
    peer: str, tmp_path: Path, environments: Path
) -> None:
    given = (environments / "dev.toml").read_text(encoding="utf-8")
    file = tmp_path / "dev.toml"
    file.write_text(f"{given}\n[[rollout.waves]]\npercent = 10\n", encoding="utf-8")
    commands: dict[str, list[str | Path]] = {
        "javascript": [NODE, PEERS / "javascript" / "app.js"],
        "troposphere": [BENCHMARKS_PYTHON, PEERS / "troposphere_app.py", tmp_path / "out"],
    }
    settings = {"ENVIRONMENTS": str(tmp_path), "CDK_OUTDIR": str(tmp_path / "out")}
    result = run(commands[peer], settings)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"{file}: rollout.waves: " in result.stderr


def _templates(stacks: Mapping[str, Stack]) -> dict[str, Template]:
    return {name: stack.template for name, stack in stacks.items()}


def _assert_equal(own: Mapping[str, Template], peer: Mapping[str, Template]) -> None:
    assert sorted(peer) == sorted(f"{one}-{stack}" for one in ENVIRONMENTS for stack in STACKS)
    for name in own:
        assert _types(peer[name]) == _types(own[name]), name
    expected, found = normal(own), normal(peer)
    lines = [line for name in own for line in _difference(name, expected[name], found[name])]
    if lines:
        pytest.fail("\n".join(["the peer's templates are not the same:", *lines]), pytrace=False)


def _types(template: Template) -> Counter[str]:
    return Counter(resource["Type"] for resource in template["Resources"].values())


def _difference(name: str, own: Any, peer: Any) -> list[str]:
    if own == peer:
        return []
    own_lines, peer_lines = (
        json.dumps(one, indent=1, sort_keys=True).splitlines() for one in (own, peer)
    )
    return list(difflib.unified_diff(own_lines, peer_lines, f"{name}, own", "peer", lineterm=""))
