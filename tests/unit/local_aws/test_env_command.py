"""A shell can evaluate the output of `local_aws env` safely."""

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from local_aws import cli


def test_no_value_ends_its_quotes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = SimpleNamespace(
        endpoint_url="http://127.0.0.1:1", secret_access_key=lambda account: f"secret of {account}"
    )
    monkeypatch.setattr(cli, "_running_or_exit", lambda _: endpoint)
    state, region = tmp_path / "o'brien" / "aws", "x'; touch forged; '"
    result = CliRunner().invoke(cli.main, ["--state", str(state), "env", "--region", region])
    assert result.exit_code == 0
    words = [shlex.split(line) for line in result.output.splitlines()]
    assert all(len(line) == 2 and line[0] == "export" for line in words)
    variables = dict(word.split("=", 1) for _, word in words)
    assert variables["AWS_REGION"] == region
    assert variables["CDK_HOME"] == str(tmp_path / "o'brien" / "cdk")
