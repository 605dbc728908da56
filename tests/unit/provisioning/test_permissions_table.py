"""The table of permissions, and the command that updates the table."""

import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.synth.synthesis import ROOT
from tools import provisioning_permissions
from tools.provisioning_permissions import Json, main

pytestmark = pytest.mark.unit

FOLDER = ROOT / "local_aws/authorization/cloudformation"
TABLE: Json = json.loads((FOLDER / "permissions.json").read_text(encoding="utf-8"))
ASSUMED: Json = json.loads((FOLDER / "assumptions.json").read_text(encoding="utf-8"))
REFERENCE = {
    service: {
        "privileges": {
            name: {"resource_types": {"": {}}}
            for name in [action.partition(":")[2] for action in TABLE["actions"]
                         if action.startswith(f"{service}:")]
        },
        "resources": {},
    }
    for service in {action.partition(":")[0] for action in TABLE["actions"]}
}  # fmt: skip


def test_each_row_has_a_source_or_a_reason() -> None:
    assert all(row["source"] for row in TABLE["types"].values())
    assert all(len(row["reason"]) > 40 for row in ASSUMED["rows"].values())


def test_each_action_is_known_with_its_resources() -> None:
    rows = [*TABLE["types"].values(), *ASSUMED["rows"].values()]
    steps = ("create", "read", "update", "delete")
    named = {action for row in rows for step in steps for action in row.get(step, [])}
    named |= {
        a for one in ASSUMED["removing"].values() for actions in one.values() for a in actions
    }
    assert named == set(TABLE["actions"]) | (set(TABLE["not_actions"]) & named)
    kinds = {kind for each in TABLE["actions"].values() for kind in each} - {"*"}
    assert kinds == set(TABLE["resources"])


def test_each_limit_is_about_an_action_of_its_type() -> None:
    limits = [*ASSUMED["with"].items(), *ASSUMED["setting"].items()]
    for type_, properties in limits:
        rows = [TABLE["types"].get(type_, {}), ASSUMED["rows"].get(type_, {})]
        named = {action for row in rows for step in row.values() for action in step}
        for actions in properties.values():
            assert set(actions) <= named, type_


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a table copy that the command may overwrite."""
    file = tmp_path / "permissions.json"
    file.write_text(json.dumps(TABLE), encoding="utf-8")
    monkeypatch.setattr(provisioning_permissions, "TABLE", file)
    monkeypatch.setattr(provisioning_permissions, "ROOT", tmp_path)
    (tmp_path / "iam-definition.json").write_text(json.dumps(REFERENCE), encoding="utf-8")
    return file


def test_an_update_takes_the_handlers_of_the_schemas_and_keeps_other_rows(table: Path) -> None:
    schema = {
        "typeName": "AWS::SQS::Queue",
        "handlers": {"create": {"permissions": ["SQS:CreateQueue", "sqs:NoSuchAction"]}},
    }
    archive = table.with_name("CloudformationSchema.zip")
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("aws-sqs-queue.json", json.dumps(schema))
    words = [str(archive), str(table.with_name("iam-definition.json")), "--schemas-source", "AWS"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    written = json.loads(table.read_text(encoding="utf-8"))
    row = {"source": "AWS", "create": ["sqs:CreateQueue", "sqs:NoSuchAction"]}
    assert written["types"]["AWS::SQS::Queue"] == row
    assert written["types"]["AWS::IAM::Role"] == TABLE["types"]["AWS::IAM::Role"]
    assert "sqs:NoSuchAction" in written["not_actions"]
    assert "AWS::IAM::Role: no schema" in result.output


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_a_file_that_is_not_a_zip_of_schemas_is_one_error(table: Path, content: bytes) -> None:
    archive = table.with_name("CloudformationSchema.zip")
    archive.write_bytes(content)
    words = [str(archive), str(table.with_name("iam-definition.json"))]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "CloudformationSchema.zip" in result.output
    assert "expected a zip or a folder" in result.output
    assert json.loads(table.read_text(encoding="utf-8")) == TABLE
