"""`deeplens fleet … --local` connects to the emulator of the checkout."""

import json
from pathlib import Path

import pytest

from deeplens.config import load_environment
from deeplens.fleet.emulator import emulator_session
from deeplens.fleet.errors import FleetError
from local_aws.process.endpoint import secret_access_key

ROOT = Path(__file__).parents[3]
DEV = load_environment(ROOT / "environments" / "dev.toml")


def test_the_session_has_the_key_that_the_emulator_issues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://example.com")
    endpoint = tmp_path / "endpoint.json"
    endpoint.write_text(
        json.dumps({"endpoint_url": "http://127.0.0.1:4566", "root_key": "a key"}),
        encoding="utf-8",
    )
    session = emulator_session(DEV, endpoint)
    credentials = session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == DEV.account
    assert credentials.secret_key == secret_access_key("a key", DEV.account)
    assert session.client("iot").meta.endpoint_url == "http://127.0.0.1:4566"
    assert session.region_name == DEV.region


@pytest.mark.parametrize("content", [None, "", "{}", "not JSON"])
def test_an_emulator_that_is_not_running_names_what_starts_it(
    tmp_path: Path, content: str | None
) -> None:
    endpoint = tmp_path / "endpoint.json"
    if content is not None:
        endpoint.write_text(content, encoding="utf-8")
    with pytest.raises(FleetError, match="not running; `deeplens local up` starts it"):
        emulator_session(DEV, endpoint)
