"""The whole way: a version reaches production, a bad one does not, one command takes it back.

Real assemblies, the synthesized pipeline, and a full virtual core in every fleet.
"""

import json
import re
from pathlib import Path

import pytest

from tests.delivery.cameras import bright_room, cameras, dark_room, heartbeat, wait_until_running
from tests.delivery.conftest import Site
from tests.local.releases import blind_model, good_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ALL = ("dev", "staging", "production")


def models(site: Site, *arguments: str, code: int = 0) -> str:
    return site.run("model_tools", "models", *arguments, code=code)


def pin(site: Site, name: str, digest: str) -> None:
    site.run("model_tools", "pin", f"environments/{name}.toml", digest)


def code_of(said: str) -> str:
    """The code by which an execution that waits is approved."""
    found = re.search(r"APPROVE=(production=[0-9a-f]+)`", said)
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


@pytest.fixture(scope="module")
def first(site: Site) -> str:
    """Every environment has the first release, and no camera yet; return its digest."""
    digest: str = site.environment("dev").model.digest
    # Nobody's camera has said anything: dev's own gate stops it, and staging is untouched.
    stopped = site.deliver(code=1)
    assert "stopped at dev/Gate" in stopped
    assert "is not proven by any camera: none can be reached" in stopped
    assert site.stacks("staging") == {}
    for name in ("staging", "production"):
        site.run("demo", "deploy", name)
    return digest


def test_a_version_reaches_production_a_bad_one_does_not_and_one_command_takes_it_back(
    site: Site, first: str, tmp_path: Path
) -> None:
    folder = site.root / "models"
    rooms = {name: bright_room(tmp_path / name) for name in ("staging", "production")}
    with cameras(site, {"dev": dark_room(tmp_path / "dev"), **rooms}):
        wait_until_running(site, ALL, first)

        # A new version: dev's cameras prove it, then two promotions bring it to the end.
        good = good_model(folder, first, "1.1.0")
        pin(site, "dev", good)
        waits = site.deliver(code=4)
        assert "production/Approve: nobody approved: production gets shapes, SHA-256" in waits
        early = code_of(waits)
        assert "version: 1.0.0 → 1.1.0" in models(
            site, "promote", "dev", "staging", "--local", "--dry-run"
        )
        models(site, "promote", "dev", "staging", "--local")
        waits = site.deliver(code=4)
        assert waits.count("is open: ") == 2
        assert good not in waits.partition("production/Approve: ")[2]
        models(site, "promote", "staging", "production", "--local")

        # Whoever approved before did not approve this.
        refused = site.deliver("--approve", early, code=1)
        assert "is for something else (text: then production gets shapes" in refused
        waits = site.deliver(code=4)
        assert f"production gets shapes, SHA-256 {good}" in waits
        assert site.outputs("production")["ModelDigest"] == first
        delivered = site.deliver("--approve", code_of(waits), "--as", "A Person")
        assert delivered.count("is open: ") == 3
        assert "delivered; every execution is in" in delivered
        wait_until_running(site, ALL, good)

        # A bad one, which only light brings out: dev's room is dark, staging's is not.
        bad = blind_model(folder, first)
        pin(site, "dev", bad)
        site.deliver(code=4)
        models(site, "promote", "dev", "staging", "--local")
        before = deployments(site, "production")
        stopped = site.deliver("--approve", "production=000000000000", code=1)
        assert "stopped at staging/Inference.Deploy" in stopped
        assert "UPDATE_ROLLBACK_COMPLETE" in stopped
        assert site.outputs("staging")["ModelDigest"] == good
        assert "staging pins what is not" in models(
            site, "promote", "staging", "production", "--local", code=1
        )
        assert deployments(site, "production") == before
        assert heartbeat(site, "production")["model"]["digest"] == good

        # Production sees ghosts: one command, though staging is in no state to be delivered to.
        back = site.run("demo", "rollback", "production", "--reason", "it sees ghosts")
        assert "1 of 1 reachable devices run the release" in back
        wait_until_running(site, ["production"], first)
        listed = {
            one["environment"]: one for one in json.loads(models(site, "list", "--local", "--json"))
        }
        assert listed["production"]["deployed"] == listed["production"]["pinned"] == first
        assert listed["production"]["healthy"]
        # The stopped environment is recovered by the command that the documentation names.
        models(site, "rollback", "staging", "--local", "--reason", "blind in the light")
        assert site.environment("staging").model.digest == good

    trail = models(site, "history")
    assert "5 moves; the trail is whole, and every pin is its last move's" in trail
    assert "because: it sees ghosts" in trail
    said = models(site, "approvals", "--local")
    assert f"Approved by A Person, {said.partition('A Person, ')[2][:20]}: production gets" in said
    assert f"SHA-256 {good}" in said
    assert "staging/Inference.Deploy: staging-Inference: UPDATE_ROLLBACK_COMPLETE" in said
    assert said.count("  delivered\n") == 1
