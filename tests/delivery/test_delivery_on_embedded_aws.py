"""The whole way: a version reaches production, a bad one does not, one command takes it back.

Real assemblies, the synthesized pipeline, and a full virtual core in every fleet.
"""

import json
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from local_aws.pipeline.definition import read_pipeline
from local_aws.pipeline.execution import Execution
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
    return site.run("model_tools", "models", *arguments, code=code)


def pin(site: Site, name: str, digest: str) -> None:
    site.run("model_tools", "pin", f"environments/{name}.toml", digest)


def code_of(said: str) -> str:
    """The code by which an execution that waits is approved."""
    found = re.search(r"--approve (production=[0-9a-f]+)`", said)
    assert found, said
    return found[1]


def deployments(site: Site, name: str) -> list[str]:
    """Ids of every deployment of an environment's fleet, newest first."""
    one = site.environment(name)
    target = f"arn:aws:iot:{one.region}:{one.account}:thinggroup/{one.fleet.thing_group}"
    found = site.client(name, "greengrassv2").list_deployments(
        targetArn=target, historyFilter="ALL"
    )
    return [each["deploymentId"] for each in found["deployments"]]


def deploy_everything(site: Site) -> None:
    """Bring every environment up with the pipeline's own actions, but for gates and approvals."""
    pipeline = read_pipeline(site.root / ".local/deliver/cdk.out")
    deploys = tuple(
        replace(
            stage, actions=tuple(one for one in stage.actions if one.provider == "CloudFormation")
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
    """Ask for a roll-back while CloudFormation updates the environment's release."""
    while site.stacks(name).get(f"{name}-Inference") != "UPDATE_IN_PROGRESS":
        assert not delivery.done(), delivery.result()
        time.sleep(0.1)
    return models(site, "rollback", name, "--local", "--reason", "too slow", code=1)


@pytest.fixture(scope="module")
def first(site: Site) -> str:
    """Every environment has the first release, and no camera yet; return its digest."""
    digest: str = site.environment("dev").model.digest
    # Nobody's camera has said anything: dev's own gate stops it, and staging is untouched.
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

    trail = models(site, "history")
    assert "5 moves; the trail is whole, and every pin is its last move's" in trail
    assert "because: it sees ghosts" in trail
    said = models(site, "approvals", "--local")
    assert re.search(rf"Approved by A Person, \S+Z: production gets shapes, SHA-256 {good}", said)
    assert "staging/Inference.Deploy: staging-Inference: UPDATE_ROLLBACK_COMPLETE" in said
    assert said.count("  delivered\n") == 1


def a_good_one_goes_all_the_way(site: Site, first: str, good: str, bad: str) -> None:
    """Two promotions, two gates before production, one approval; dev goes on with another one."""
    pin(site, "dev", good)
    assert "production/Approve: waiting for approval" in site.deliver(code=4)
    would = models(site, "promote", "dev", "staging", "--local", "--dry-run")
    assert "version: 1.0.0 → 1.1.0" in would
    models(site, "promote", "dev", "staging", "--local")
    waits = site.deliver(code=4)
    assert waits.count("is open: ") == 2
    models(site, "promote", "staging", "production", "--local")
    # Only light brings out what is wrong with it: dev's room is dark, staging's is not.
    pin(site, "dev", bad)

    waits = site.deliver(code=4)
    assert f"production gets shapes, SHA-256 {good}" in waits
    assert site.outputs("production")["ModelDigest"] == first
    delivered = site.deliver("--approve", code_of(waits), "--as", "A Person")
    assert delivered.count("is open: ") == 3
    assert "delivered; every execution is in" in delivered
    wait_until_running(site, ["staging", "production"], good)
    # Each in an account of its own, and the very same release in both.
    found = [site.outputs(name) for name in ("staging", "production")]
    accounts = [site.environment(name).account for name in ("staging", "production")]
    assert accounts == [one["FunctionVersion"].split(":")[4] for one in found]
    assert [one["ModelDigest"] for one in found] == [good, good]


def a_bad_one_stops_in_staging(site: Site, good: str, bad: str) -> None:
    """Dev's camera proved it, staging's does not; production does not notice."""
    wait_until_running(site, ["dev"], bad)
    began = time.monotonic()
    models(site, "promote", "dev", "staging", "--local")
    # A camera that fails may still recover, so it is waited for to the end: long enough for a
    # command on a machine as busy as this one.
    wait_seconds = max(25, min(600, round(6 * (time.monotonic() - began))))
    file = site.root / "environments/staging.toml"
    text = re.sub(r"wait_seconds = \d+", f"wait_seconds = {wait_seconds}", file.read_text("utf-8"))
    file.write_text(text, encoding="utf-8")
    before = deployments(site, "production")
    with ThreadPoolExecutor(1) as pool:
        delivery = pool.submit(site.deliver, code=1)
        assert "staging: a rollout runs" in refused_while_it_rolls_out(site, "staging", delivery)
        stopped = delivery.result()
    assert "stopped at staging/Inference.Deploy" in stopped
    assert "UPDATE_ROLLBACK_COMPLETE" in stopped
    assert site.outputs("staging")["ModelDigest"] == good
    refused = models(site, "promote", "staging", "production", "--local", code=1)
    assert "staging pins what is not" in refused
    assert deployments(site, "production") == before
    assert heartbeat(site, "production")["model"]["digest"] == good


def production_goes_back(site: Site, first: str, good: str) -> None:
    """One command, though staging is in no state to be delivered to."""
    back = site.run("deeplens", "local", "rollback", "production", "--reason", "it sees ghosts")
    assert "1 of 1 reachable devices run the release" in back
    wait_until_running(site, ["production"], first)
    listed = json.loads(models(site, "list", "--local", "--json"))
    (production,) = (one for one in listed if one["environment"] == "production")
    assert production["deployed"] == production["pinned"] == first
    assert production["healthy"]
    # The stopped environment is recovered by the command that the documentation names.
    models(site, "rollback", "staging", "--local", "--reason", "blind in the light")
    assert site.environment("staging").model.digest == good
