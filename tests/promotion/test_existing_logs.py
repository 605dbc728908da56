"""Audit logs of earlier versions are still valid; `data` contains two logs of version 1."""

import shutil
from dataclasses import replace
from pathlib import Path

from deeplens.releases.audit_log import append, read_history
from deeplens.releases.executions import execution_log, read_record

DATA = Path(__file__).parent / "data"


def test_promotions_of_an_earlier_version_are_valid_and_continue(tmp_path: Path) -> None:
    file = Path(shutil.copy(DATA / "promotions.jsonl", tmp_path))
    before = file.read_bytes()
    promotion, rollback = read_history(file)
    assert (promotion.kind, rollback.kind) == ("promote", "rollback")
    assert rollback.reason == "first\u2028second"
    appended = append(file, replace(promotion, reason="a third move"))
    assert appended.previous == rollback.hash
    assert file.read_bytes().startswith(before)
    assert len(read_history(file)) == 3


def test_executions_of_an_earlier_version_are_valid_and_continue(tmp_path: Path) -> None:
    file = Path(shutil.copy(DATA / "executions.jsonl", tmp_path))
    assert [execution.outcome for execution in read_record(file)][1] == "delivered"
    log = execution_log(file)
    waiting, delivered = log.read()
    assert waiting["waits"]["code"] == delivered["approvals"][0]["code"]
    content = {key: value for key, value in waiting.items() if key not in {"previous", "hash"}}
    assert log.append(content)["previous"] == delivered["hash"]
    assert len(read_record(file)) == 3
