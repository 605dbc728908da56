"""`deeplens fleet`: status, stop, resume and rollback on a fleet of simulated cores."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testkit.simulated_fleet.fault_model import FaultRates
from tests.emulator.fleet.conftest import CloudFormation, Site, digest
from tests.emulator.fleet.forked_deeplens import run_deeplens
from tests.emulator.running_emulator import ACCOUNT, REGION, ROOT

pytestmark = pytest.mark.emulator

MakeSite = Callable[..., Site]
DEEPLENS = ROOT / ".venv/bin/deeplens"


class Fleet:
    """The command line with an environment file for a simulated fleet."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.folder = folder
        self.environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": site.aws.endpoint["endpoint_url"],
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": site.aws.secret(),
        }
        (folder / "site.toml").write_text(
            f'account = "{ACCOUNT}"\nregion = "{REGION}"\n'
            f'[model]\nname = "shapes"\ndigest = "{digest(2)}"\n'
            '[model_store]\nbucket_name = "deeplens-x-1"\n'
            f'[fleet]\nthing_group = "{site.group}"\n'
            "[rollout]\nwait_seconds = 240\noffline_after_seconds = 120\n"
        )

    def __call__(self, command: str, *more: str, code: int = 0) -> str:
        group = ["release"] if command == "rollback" else ["fleet"]
        words = (*group, command, "site", *more, "--environments", str(self.folder))
        done = run_deeplens(*words, folder=ROOT, environment=self.environment)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr


def bring(cfn: CloudFormation, site: Site, version: int, **changes: Any) -> dict[str, Any]:
    return cfn("Create", site.properties(version, **changes))


def test_status_stop_and_roll_back(
    cloudformation: CloudFormation, make_site: MakeSite, tmp_path: Path
) -> None:
    site = make_site(3)
    fleet = Fleet(tmp_path, site)
    assert "has no deployment yet" in fleet("status", code=1)
    with site.on():
        bring(cloudformation, site, 1)
        bring(cloudformation, site, 2)
        status = json.loads(fleet("status", "--json"))
        assert {device["model_digest"] for device in status["devices"]} == {digest(2)}
        shown = fleet("status")
        assert all(thing in shown for thing in site.things)
        releases = json.loads(fleet("releases", "--json"))["deployments"]
        assert [release["model_digest"] for release in releases] == [digest(2), digest(1)]
        assert all(release["proven"] for release in releases)

        # A dry run changes nothing.
        assert "would deploy" in fleet("rollback", "--now", "--reason", "dark", "--dry-run")
        assert "would stop" in fleet("stop", "--reason", "smoke", "--dry-run")
        assert set(site.runs().values()) == {digest(2)}

        assert "stopped" in fleet("stop", "--reason", "it detects nothing")
        first, *_ = fleet("status").splitlines()
        assert "the release is stopped: " in first
        assert "it detects nothing; `deeplens fleet resume site`" in first
        refused = bring(cloudformation, site, 2)
        assert refused["Status"] == "FAILED"
        assert "it detects nothing" in refused["Reason"]
        assert "3 of 3" in fleet("rollback", "--now", "--reason", "it detects nothing")
        assert set(site.runs().values()) == {digest(1)}
        assert "not as planned" in fleet("status")

        # The next deployment reports that the fleet was changed manually.
        moved = bring(cloudformation, site, 3)
        assert moved["Status"] == "SUCCESS", moved["Reason"]
        assert "changed manually" in moved["Data"]["Status"]
        assert "it detects nothing" in moved["Data"]["Status"]
        assert "is not a stored release" in fleet(
            "rollback", "--now", "--to", "f" * 8, "--reason", "x", code=1
        )


def test_status_gives_the_reason_of_each_failed_device(
    cloudformation: CloudFormation, make_site: MakeSite, tmp_path: Path
) -> None:
    site = make_site(2, v1=FaultRates(fails=1.0))
    fleet = Fleet(tmp_path, site)
    with site.on():
        bring(cloudformation, site, 1)
        shown = fleet("status", code=4)
    for thing in site.things:
        assert f"{thing}: deployment FAILED: simulated: the install step ended with 1" in shown


def test_a_stopped_wave_is_rolled_back_to_what_the_fleet_runs(
    cloudformation: CloudFormation, make_site: MakeSite, tmp_path: Path
) -> None:
    site = make_site(4, v2=FaultRates(no_frames=1.0))
    fleet = Fleet(tmp_path, site)
    wave = {"thing_group": None, "percent": 50, "wait_seconds": 2, "bake_seconds": 0,
            "pause_seconds": 0}  # fmt: skip
    with site.on():
        bring(cloudformation, site, 1)
        assert bring(cloudformation, site, 2, waves=[wave])["Status"] == "FAILED"
        fleet("stop", "--reason", "blind")
        assert "may be deployed again" in fleet("resume")
        assert "nothing is stopped" in fleet("resume", code=1)
        assert "4 of 4" in fleet("rollback", "--now", "--reason", "blind")
        assert set(site.runs().values()) == {digest(1)}


def test_a_roll_back_is_judged_by_the_whole_rule_of_the_environment(
    cloudformation: CloudFormation, make_site: MakeSite, tmp_path: Path
) -> None:
    site = make_site(2)
    fleet = Fleet(tmp_path, site)
    file = tmp_path / "site.toml"
    text = file.read_text(encoding="utf-8").replace("= 240", "= 10")
    file.write_text(f"{text}minimum_detections = 1\n", encoding="utf-8")
    with site.on():
        bring(cloudformation, site, 1)
        bring(cloudformation, site, 2)
        # The heartbeats of these cores count no detections.
        assert "the rule requires 1" in fleet("rollback", "--now", "--reason", "dark", code=1)
        assert "the rule requires 1" in fleet("status", code=4)


def test_the_wrong_account_is_refused(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site(0)
    fleet = Fleet(tmp_path, site)
    fleet.environment |= {
        "AWS_ACCESS_KEY_ID": "222222222222",
        "AWS_SECRET_ACCESS_KEY": site.aws.secret("222222222222"),
    }
    assert "the credentials are of account 222222222222" in fleet("status", code=1)


def test_an_unknown_environment_is_one_clear_error(make_site: MakeSite, tmp_path: Path) -> None:
    fleet = Fleet(tmp_path, make_site(0))
    (tmp_path / "site.toml").unlink()
    assert "no such environment file" in fleet("timeline", "--devices", "3", code=2)


@pytest.mark.parametrize("command", ["status", "releases", "timeline", "stop", "resume"])
def test_every_command_has_help(make_site: MakeSite, tmp_path: Path, command: str) -> None:
    del make_site, tmp_path
    shown = subprocess.run(
        [DEEPLENS, "fleet", command, "--help"], capture_output=True, text=True, check=True
    )
    assert "ENVIRONMENT" in shown.stdout
