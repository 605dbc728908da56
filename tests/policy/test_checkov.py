"""The check of templates reports each failed check of checkov that is not skipped.

A report without resources is an error.
"""

import json

import pytest

from deeplens.assembly import read_assembly
from deeplens.config import load_environment
from deeplens.policy.checkov import CheckovError, checkov_findings, findings_of
from tests.synth.synthesis import ROOT, synthesize, with_everything


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The findings in the environment `full`, and in a defective template.

    checkov runs once, because its start takes longer than the check.
    """
    folder = tmp_path_factory.mktemp("checkov")
    with_everything(folder / "all", load_environment(ROOT / "environments/dev.toml").model.digest)
    result = synthesize(folder / "out", folder / "all")
    assert result.returncode == 0, result.stderr
    full = [stack for stack in read_assembly(folder / "out") if stack.environment == "full"]
    assert len(full) == 5
    bare = folder / "bare.template.json"
    (monitoring,) = (stack.template for stack in full if stack.name == "full-Monitoring")
    for resource in monitoring["Resources"].values():
        resource.pop("Metadata", None)
    monitoring["Resources"]["AlarmsTopic3A2DFEBA"]["Properties"].pop("KmsMasterKeyId")
    bare.write_text(json.dumps(monitoring), encoding="utf-8")
    return checkov_findings([*(stack.file for stack in full), bare])


@pytest.mark.process
@pytest.mark.slow
def test_a_check_without_a_skip_is_a_finding(findings: list[str]) -> None:
    bare = {line.split(":")[0] for line in findings if "bare.template.json" in line}
    assert bare >= {"CKV_AWS_26", "CKV_AWS_117", "CKV_AWS_158"}


@pytest.mark.process
@pytest.mark.slow
def test_an_environment_with_every_part_has_no_finding(findings: list[str]) -> None:
    assert [line for line in findings if "bare.template.json" not in line] == []


def test_a_report_without_resources_is_an_error() -> None:
    nothing = {"passed": 0, "failed": 0, "resource_count": 0, "checkov_version": "3"}
    with pytest.raises(CheckovError, match="no resource"):
        findings_of(nothing)


def test_a_template_that_cannot_be_read_is_an_error() -> None:
    report = {"summary": {"resource_count": 1}, "results": {"parsing_errors": ["x.json"]}}
    with pytest.raises(CheckovError, match=r"x\.json"):
        findings_of(report)
