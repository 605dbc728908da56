"""A plan describes a deployment, and every difference from the plan is reported."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deeplens.cli.main import main
from deeplens.review import ReviewError
from deeplens.review.plan import differences_from_plan, make_plan, plan_id, read_plan

ROOT = Path(__file__).parents[3]
_DIGEST = "d" * 64


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with an assembly (one environment with one stack) and an environment file."""
    nested = tmp_path / "cdk.out" / "assembly-dev"
    nested.mkdir(parents=True)
    (nested / "asset.zip").write_bytes(b"bytes")
    write(
        tmp_path / "cdk.out/manifest.json",
        {
            "assembly-dev": {
                "type": "cdk:cloud-assembly",
                "properties": {"directoryName": "assembly-dev", "displayName": "dev"},
            }
        },
    )
    write(
        nested / "manifest.json",
        {
            "Store": {
                "type": "aws:cloudformation:stack",
                "environment": "aws://111111111111/eu-central-1",
                "properties": {"templateFile": "Store.template.json", "stackName": "dev-Store"},
            },
            "Store.assets": {
                "type": "cdk:asset-manifest",
                "properties": {"file": "Store.assets.json"},
            },
        },
    )
    assets = {"files": {_DIGEST: {"source": {"path": "asset.zip"}}}}
    (nested / "Store.assets.json").write_text(json.dumps(assets))
    (nested / "Store.template.json").write_text(
        json.dumps({"Resources": {"Key": {"Type": "AWS::KMS::Key", "Properties": {}}}})
    )
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/dev.toml").write_text(
        f'[model]\nname = "m"\ndigest = "{_DIGEST}"\n[rollout]\nwait_seconds = 60\n'
    )
    return tmp_path


def write(file: Path, artifacts: object) -> None:
    file.write_text(json.dumps({"artifacts": artifacts}))


def run(site: Path, *arguments: str) -> Result:
    folders = ["--assembly", str(site / "cdk.out"), "--environments", str(site / "environments")]
    return CliRunner().invoke(main, ["env", "plan", *arguments, *folders])


@pytest.fixture
def plan(site: Path) -> Path:
    file = site / "plan.json"
    result = run(site, "dev", "--output", str(file))
    assert result.exit_code == 0, result.output
    return file


def test_a_copied_assembly_is_equal_to_its_plan(site: Path, plan: Path) -> None:
    assert run(site, "dev", "--check", str(plan)).exit_code == 0
    elsewhere = site / "elsewhere"
    shutil.copytree(site / "cdk.out", elsewhere / "cdk.out")
    shutil.copytree(site / "environments", elsewhere / "environments")
    again = elsewhere / "plan.json"
    assert run(elsewhere, "dev", "--output", str(again)).exit_code == 0
    assert again.read_bytes() == plan.read_bytes()


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        ("cdk.out/assembly-dev/Store.template.json", "{}", '{"A": 1}', "templates.dev-Store: pl"),
        ("cdk.out/assembly-dev/asset.zip", "bytes", "other", f"assets.{_DIGEST}: planned "),
        ("environments/dev.toml", _DIGEST, "e" * 64, "model.digest: planned dddddddddddd…"),
        ("environments/dev.toml", '"m"', '"n"', "model.name: planned m, now n"),
        ("cdk.out/assembly-dev/manifest.json", "111111111111", "2" * 12, "account: planned 1"),
    ],
)
def test_every_difference_from_the_plan_is_reported(  # noqa: PLR0913, PLR0917 - each parameter is part of a change
    site: Path, plan: Path, file: str, old: str, new: str, line: str
) -> None:
    text = (site / file).read_text()
    assert old in text
    (site / file).write_text(text.replace(old, new))
    result = run(site, "dev", "--check", str(plan))
    assert result.exit_code == 1
    assert line in result.output
    assert "nothing was deployed" in result.output


def test_a_setting_is_named_before_the_hashes_that_it_changes(site: Path, plan: Path) -> None:
    file = site / "environments/dev.toml"
    file.write_text(file.read_text().replace("wait_seconds = 60", "wait_seconds = 90"))
    template = site / "cdk.out/assembly-dev/Store.template.json"
    template.write_text(template.read_text().replace("{}", '{"A": 1}'))
    first, setting, *others = run(site, "dev", "--check", str(plan)).output.splitlines()
    assert first.startswith("Error: ")
    assert setting == "  rollout.wait_seconds: planned 60, now 90"
    assert any("templates.dev-Store" in line for line in others)


def test_a_plan_prints_the_rollout_the_cost_and_the_next_command(site: Path) -> None:
    file = site / "plan.json"
    shown = run(site, "dev", "--output", str(file)).output
    assert "  rollout  after 0 s: " in shown
    assert "1 camera: $" in shown
    assert f"next: deeplens local deploy dev --plan {file}" in shown
    printed = run(site, "dev", "--output", str(file), "--json").output
    assert json.loads(printed) == json.loads(file.read_text())


def test_an_unknown_environment_is_an_error_before_the_synthesis(site: Path) -> None:
    result = run(site, "dve", "--synthesize")
    assert result.exit_code == 2
    assert "no such environment file; there are: dev" in result.output
    assert not (site / "plans").exists()


def test_waves_are_a_part_of_the_plan(site: Path, plan: Path) -> None:
    file = site / "environments/dev.toml"
    file.write_text(file.read_text() + "[[rollout.waves]]\npercent = 10\n")
    result = run(site, "dev", "--check", str(plan))
    assert "rollout" in result.output
    assert result.exit_code == 1


def test_a_plan_that_was_changed_is_refused(plan: Path) -> None:
    plan.write_text(plan.read_text().replace("eu-central-1", "eu-west-1"))
    with pytest.raises(ReviewError, match="was changed after it was written"):
        read_plan(plan)


@pytest.mark.parametrize("text", ["", "[]", "{}", "x", '"id"'])
def test_another_file_is_not_a_plan(site: Path, text: str) -> None:
    (site / "plan.json").write_text(text)
    result = run(site, "dev", "--check", str(site / "plan.json"))
    assert result.exit_code == 2
    assert "not a plan" in result.output


def test_a_plan_with_another_schema_version_and_a_missing_plan(site: Path, plan: Path) -> None:
    content = {**json.loads(plan.read_text()), "schema_version": 1}
    plan.write_text(json.dumps({**content, "id": plan_id(content)}))
    assert "expected schema_version 2; got 1" in run(site, "dev", "--check", str(plan)).output
    missing = run(site, "dev", "--check", str(site / "none.json"))
    assert "No such file" in missing.output
    assert "qa.toml does not exist; the environments are: dev" in run(site, "qa").output


def test_the_name_of_an_environment_is_escaped(site: Path) -> None:
    output = run(site, "d\u202e\x07ev").output
    assert r"d\u202e\x07ev.toml does not exist" in output


def test_two_plans_of_one_assembly_do_not_differ(site: Path) -> None:
    plans = [make_plan(site / "cdk.out", site / "environments", "dev") for _ in range(2)]
    assert differences_from_plan(*plans) == []


@pytest.mark.process
def test_the_help_contains_the_exit_codes() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "deeplens", "env", "plan", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0
    assert "Exit codes" in shown.stdout
