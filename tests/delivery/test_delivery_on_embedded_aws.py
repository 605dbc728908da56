"""A pipeline, synthesized and executed: dev, staging, a person, production; and what stops it."""

import hashlib
import json
import zipfile

import pytest

from tests.delivery.conftest import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def build(site: Site, version: str) -> str:
    """Package the pinned model under a new version; return its digest."""
    old = site.environment("dev").model.digest
    with zipfile.ZipFile(site.root / f"models/shapes/{old}/model.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["manifest.json"] = json.dumps(
        {**json.loads(files["manifest.json"]), "version": version}
    ).encode()
    packed = site.root / "next.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    folder = site.root / "models/shapes" / digest
    folder.mkdir()
    packed.rename(folder / "model.zip")
    return digest


def test_a_release_is_delivered_gate_by_gate_and_a_bad_one_stops_before_production(
    site: Site,
) -> None:
    first = site.environment("dev").model.digest

    # No camera has said anything: dev's own gate stops it, and staging is untouched.
    stopped = site.deliver(code=1)
    assert "stopped at dev/Gate" in stopped
    assert "is not proven by any camera: none can be reached" in stopped
    assert site.stacks("dev")["dev-Inference"] == "CREATE_COMPLETE"
    assert site.stacks("staging") == {}

    site.camera_says("dev")
    stopped = site.deliver(code=1)
    assert "the gate of dev is open: 1 of 1 reachable cameras say" in stopped
    assert "stopped at staging/Gate" in stopped
    assert site.stacks("production") == {}

    # Nobody answers: production stays untouched, and the text names the digest.
    site.camera_says("staging")
    waits = site.deliver(code=4)
    assert "production/Approve: nobody approved: production gets shapes, SHA-256 " in waits
    assert first in waits
    assert site.stacks("production") == {}

    stopped = site.deliver("--approve", "production", code=1)
    assert "stopped at production/Gate" in stopped
    assert site.outputs("production")["ModelDigest"] == first
    site.camera_says("production")
    delivered = site.deliver("--approve", "production")
    assert "no changes" in delivered
    assert "delivered; every execution is in" in delivered

    # A release that dev's cameras do not take stops there, and CloudFormation takes it back.
    bad = build(site, "1.1.0")
    file = site.root / "environments/dev.toml"
    file.write_text(file.read_text("utf-8").replace(first, bad), encoding="utf-8")
    stopped = site.deliver("--approve", "production", code=1)
    assert "stopped at dev/Inference.Deploy" in stopped
    assert "UPDATE_ROLLBACK" in stopped
    assert site.outputs("staging")["ModelDigest"] == first
    assert site.outputs("production")["ModelDigest"] == first
    refused = site.run("model_tools", "models", "promote", "dev", "staging", "--local", code=1)
    assert "dev pins what is not proven there" in refused

    lines = (site.root / ".local/deliver/executions.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert [one["outcome"] == "delivered" for one in records] == [
        False, False, False, False, True, False,
    ]  # fmt: skip
    approvals = [one["what"] for one in records[4]["actions"] if (one["action"]) == "Approve"]
    assert approvals
    assert f"SHA-256 {first}" in approvals[0]
