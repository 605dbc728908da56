"""checkov fires on what nobody acknowledged, and is never silent because it saw nothing."""

import json
from pathlib import Path

import pytest

from stacks.config import load_environment
from tests.synth.synthesis import ROOT, synthesize, with_everything
from tools.assembly import read_assembly
from tools.checkov import CheckovFailed, checkov_findings, findings_of


@pytest.mark.process
@pytest.mark.slow
def test_an_acknowledgement_taken_away_is_a_finding(assembly: Path, tmp_path: Path) -> None:
    (stack,) = (one for one in read_assembly(assembly) if one.name == "dev-Monitoring")
    bare = tmp_path / "bare.template.json"
    for resource in stack.template["Resources"].values():
        resource.pop("Metadata", None)
    stack.template["Resources"]["AlarmsTopic3A2DFEBA"]["Properties"].pop("KmsMasterKeyId")
    bare.write_text(json.dumps(stack.template), encoding="utf-8")
    found = checkov_findings([stack.file, bare])
    assert {line.split(":")[0] for line in found} >= {"CKV_AWS_26", "CKV_AWS_117", "CKV_AWS_158"}
    assert all("bare.template.json" in line for line in found)


@pytest.mark.process
@pytest.mark.slow
def test_an_environment_with_everything_has_no_finding(tmp_path: Path) -> None:
    with_everything(tmp_path / "all", load_environment(ROOT / "environments/dev.toml").model.digest)
    result = synthesize(tmp_path / "out", tmp_path / "all")
    assert result.returncode == 0, result.stderr
    full = [one.file for one in read_assembly(tmp_path / "out") if one.environment == "full"]
    assert len(full) == 5
    assert checkov_findings(full) == []


def test_a_report_on_nothing_is_a_failure() -> None:
    nothing = {"passed": 0, "failed": 0, "resource_count": 0, "checkov_version": "3"}
    with pytest.raises(CheckovFailed, match="no resource"):
        findings_of(nothing)


def test_a_template_that_cannot_be_read_is_a_failure() -> None:
    report = {"summary": {"resource_count": 1}, "results": {"parsing_errors": ["x.json"]}}
    with pytest.raises(CheckovFailed, match=r"x\.json"):
        findings_of(report)
