"""Deliver a good version to production, stop a bad version, and roll back by a command.

The assemblies are real, the pipeline is synthesized, and each fleet has a complete virtual core.
"""

import json
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from deeplens.local.pipeline.definition import read_pipeline
from deeplens.local.pipeline.execution import Execution
from testkit.account_keys import secret
from testkit.releases import blind_model, good_model
from tests.delivery.cameras import bright_room, cameras, dark_room, heartbeat, wait_until_running
from tests.delivery.conftest import Site

pytestmark = [
    pytest.mark.emulator,
    pytest.mark.slow,
    pytest.mark.walk,
    pytest.mark.timeout(3600),
]

ALL = ("dev", "staging", "production")


def models(site: Site, *arguments: str, code: int = 0) -> str:
    return site.run("deeplens", "release", *arguments, code=code)


def pin(site: Site, name: str, digest: str) -> None:
    site.run("deeplens", "release", "pin", f"environments/{name}.toml", digest)


def code_of(output: str) -> str:
    """Return the approval code of a waiting execution."""
    match = re.search(r"--approve (production=[0-9a-f]+)`", output)
    assert match, output
    return match[1]


def deployments(site: Site, name: str) -> list[str]:
    """Return the ids of all deployments of an environment's fleet, newest first."""
    environment = site.environment(name)
    group = environment.fleet.thing_group
    target = f"arn:aws:iot:{environment.region}:{environment.account}:thinggroup/{group}"
    response = site.client(name, "greengrassv2").list_deployments(
        targetArn=target, historyFilter="ALL"
    )
    return [deployment["deploymentId"] for deployment in response["deployments"]]


def deploy_everything(site: Site) -> None:
    """Run only the pipeline's deploy actions for all environments, without gates and approvals."""
    pipeline = read_pipeline(site.root / ".local/deliver/cdk.out")
    deploys = tuple(
        replace(
            stage,
            actions=tuple(
                action for action in stage.actions if action.provider == "CloudFormation"
            ),
        )
        for stage in pipeline.stages
        if stage.name in ALL
    )
    file = site.root / ".local/aws/endpoint.json"
    endpoint = json.loads(file.read_text())["endpoint_url"]
    key = secret(file, pipeline.account)
    bare = replace(pipeline, stages=deploys)
    Execution(bare, site.root, endpoint, key, lambda _: None, lambda _: None).run()


def refused_while_it_rolls_out(site: Site, name: str, delivery: "Future[str]") -> str:
    """Request a rollback during CloudFormation's update of the release; return the error."""
    while site.stacks(name).get(f"{name}-Inference") != "UPDATE_IN_PROGRESS":
        assert not delivery.done(), delivery.result()
        time.sleep(0.1)
    return models(site, "rollback", name, "--local", "--reason", "too slow", code=1)


@pytest.fixture(scope="module")
def first(site: Site) -> str:
    """Deploy the first release without cameras; return the release's digest."""
    digest: str = site.environment("dev").model.digest
    # Without a camera's report, dev's gate stops the delivery before staging changes.
    stopped = site.deliver(code=1)
    assert "stopped at dev/Gate" in stopped
    assert "has not been verified by a camera" in stopped
    assert site.stacks("staging") == {}
    deploy_everything(site)
    return digest


def test_a_version_reaches_production_a_bad_one_does_not_and_one_command_takes_it_back(
    site: Site, first: str, tmp_path: Path
) -> None:
    rooms = {name: bright_room(tmp_path / name) for name in ("staging", "production")}
    with cameras(site, {"dev": dark_room(tmp_path / "dev"), **rooms}):
        wait_until_running(site, ALL, first)
        good = good_model(site.root / "models", first, "1.1.0")
        bad = blind_model(site.root / "models", first)
        a_good_one_goes_all_the_way(site, first, good, bad)
        a_bad_one_stops_in_staging(site, good, bad)
        production_goes_back(site, first, good)

    # Exit code 0 confirms the hash chain and the pins.
    history = models(site, "history")
    assert history.splitlines()[-1].startswith("5 moves; ")
    assert "because: false detections" in history
    output = models(site, "approvals", "--local")
    assert re.search(rf"Approved by A Person, \S+Z: production gets shapes, SHA-256 {good}", output)
    assert "staging/Inference.Deploy: staging-Inference: UPDATE_ROLLBACK_COMPLETE" in output
    assert output.count("  delivered\n") == 1


def a_good_one_goes_all_the_way(site: Site, first: str, good: str, bad: str) -> None:
    """Deliver a good release to production, while dev runs a bad release."""
    pin(site, "dev", good)
    assert "production/Approve: waiting for approval" in site.deliver(code=4)
    would = models(site, "promote", "dev", "staging", "--local", "--dry-run")
    assert "version: 1.0.0 → 1.1.0" in would
    models(site, "promote", "dev", "staging", "--local")
    waits = site.deliver(code=4)
    assert waits.count(": verified: ") == 2
    models(site, "promote", "staging", "production", "--local")
    # The bad release fails only in light, so dev's camera in the dark room runs the release.
    pin(site, "dev", bad)

    waits = site.deliver(code=4)
    assert f"production gets shapes, SHA-256 {good}" in waits
    assert site.outputs("production")["ModelDigest"] == first
    delivered = site.deliver("--approve", code_of(waits), "--as", "A Person")
    assert delivered.count(": verified: ") == 3
    assert "delivered; every execution is in" in delivered
    wait_until_running(site, ["staging", "production"], good)
    # The environments have different accounts, and both run the same release.
    outputs = [site.outputs(name) for name in ("staging", "production")]
    accounts = [site.environment(name).account for name in ("staging", "production")]
    assert accounts == [values["FunctionVersion"].split(":")[4] for values in outputs]
    assert [values["ModelDigest"] for values in outputs] == [good, good]


def a_bad_one_stops_in_staging(site: Site, good: str, bad: str) -> None:
    """Promote a bad release to staging: the delivery stops, and production does not change."""
    wait_until_running(site, ["dev"], bad)
    began = time.monotonic()
    models(site, "promote", "dev", "staging", "--local")
    # A failing camera may recover, so the rollout waits until the time limit. The limit must be
    # longer than a command takes on a busy machine.
    wait_seconds = max(25, min(600, round(6 * (time.monotonic() - began))))
    file = site.root / "environments/staging.toml"
    text = re.sub(r"wait_seconds = \d+", f"wait_seconds = {wait_seconds}", file.read_text("utf-8"))
    file.write_text(text, encoding="utf-8")
    before = deployments(site, "production")
    with ThreadPoolExecutor(1) as pool:
        delivery = pool.submit(site.deliver, code=1)
        assert "staging: a rollout is in progress" in refused_while_it_rolls_out(
            site, "staging", delivery
        )
        stopped = delivery.result()
    assert "stopped at staging/Inference.Deploy" in stopped
    assert "UPDATE_ROLLBACK_COMPLETE" in stopped
    assert site.outputs("staging")["ModelDigest"] == good
    refused = models(site, "promote", "staging", "production", "--local", code=1)
    assert "staging pins a release that is not verified" in refused
    assert deployments(site, "production") == before
    assert heartbeat(site, "production")["model"]["digest"] == good


def production_goes_back(site: Site, first: str, good: str) -> None:
    """Roll production back with one command, although a deploy of staging would fail."""
    back = site.run("deeplens", "local", "rollback", "production", "--reason", "false detections")
    assert "1 of 1 reachable devices run the release" in back
    wait_until_running(site, ["production"], first)
    listed = json.loads(models(site, "list", "--local", "--json"))
    (production,) = (row for row in listed if row["environment"] == "production")
    assert production["deployed"] == production["pinned"] == first
    assert production["healthy"]
    # The documented command recovers staging, where the delivery stopped.
    models(site, "rollback", "staging", "--local", "--reason", "blind in the light")
    assert site.environment("staging").model.digest == good
