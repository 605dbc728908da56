"""A deployment that fails because of a lost connection is repeated once, on both nuclei."""

from collections.abc import Callable
from typing import Any

import pytest

from testkit.simulated_fleet.fault_model import FaultRates
from tests.emulator.fleet.conftest import CloudFormation, Site, digest

pytestmark = pytest.mark.emulator

MakeSite = Callable[..., Site]
LOST_ONCE, LOST = FaultRates(loses_network_once=1.0), FaultRates(loses_network=1.0)
RETRY = "deeplens:retry"
WAVE = {"thing_group": None, "percent": 50, "wait_seconds": 60, "bake_seconds": 0,
        "pause_seconds": 0}  # fmt: skip


def all_lite(_: str) -> bool:
    return True


def no_lite(_: str) -> bool:
    return False


nuclei = pytest.mark.parametrize("is_lite", [no_lite, all_lite], ids=["classic", "lite"])


def tags(site: Site) -> list[dict[str, str]]:
    """Return the tags of the fleet's deployments, newest first."""
    greengrass = site.aws.client("greengrassv2")
    listed = sorted(
        site.deployments(), key=lambda deployment: deployment["creationTimestamp"], reverse=True
    )
    return [
        greengrass.get_deployment(deploymentId=deployment["deploymentId"])["tags"]
        for deployment in listed
    ]


def update(cfn: CloudFormation, site: Site, new: int, made: Any, **changes: Any) -> dict[str, Any]:
    return cfn(
        "Update",
        site.properties(new, **changes),
        OldResourceProperties=site.properties(1),
        PhysicalResourceId=made["PhysicalResourceId"],
    )


@nuclei
def test_devices_without_a_connection_get_a_second_attempt(
    cloudformation: CloudFormation, make_site: MakeSite, is_lite: Callable[[str], bool]
) -> None:
    site = make_site(3, v2=LOST_ONCE)
    with site.on(is_lite=is_lite):
        made = cloudformation("Create", site.properties(1))
        answer = update(cloudformation, site, 2, made)
    assert answer["Status"] == "SUCCESS", answer["Reason"]
    status = answer["Data"]["Status"]
    assert status.startswith("3 of 3 reachable devices run the release; 3 got a second attempt (")
    assert all(thing in status for thing in site.things)
    cause = "nucleus lite reports no cause" if is_lite("") else "simulated: no connection to S3"
    assert cause in status
    assert set(site.runs().values()) == {digest(2)}
    second, first, _ = tags(site)
    assert cause in second[RETRY]
    assert "deeplens:proven" in second
    assert {RETRY, "deeplens:proven"}.isdisjoint(first)


@nuclei
def test_there_is_no_third_attempt(
    cloudformation: CloudFormation, make_site: MakeSite, is_lite: Callable[[str], bool]
) -> None:
    site = make_site(2, v2=LOST)
    with site.on(is_lite=is_lite):
        made = cloudformation("Create", site.properties(1))
        bad = update(cloudformation, site, 2, made)
        assert bad["Status"] == "FAILED"
        assert bad["Reason"].startswith("0 of 2 reachable devices run the release; 2 failed (")
        assert "2 got a second attempt (" in bad["Reason"]
        log = "journalctl -a -t ggdeploymentd" if is_lite("") else "fleet doctor ENV --device THING"
        assert log in bad["Reason"].partition("Try: ")[2]
        assert len(site.deployments()) == 3
        back = cloudformation.roll_back(
            site.properties(1), site.properties(2), made["PhysicalResourceId"]
        )
        assert back["Data"]["Status"] == "2 of 2 reachable devices run the release"
        assert set(site.runs().values()) == {digest(1)}


def test_a_request_that_is_repeated_after_the_second_attempt_makes_no_third(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2, v2=LOST)
    with site.on():
        made = cloudformation("Create", site.properties(1))
        for _ in range(2):
            assert update(cloudformation, site, 2, made)["Status"] == "FAILED"
        assert len(site.deployments()) == 3


def test_a_wave_and_the_rest_of_the_fleet_each_get_a_second_attempt(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(4, v2=LOST_ONCE)
    with site.on() as fleet:
        made = cloudformation("Create", site.properties(1))
        answer = update(cloudformation, site, 2, made, waves=[WAVE])
        assert answer["Status"] == "SUCCESS", answer["Reason"]
        attempts = sorted(core.attempts.total() for core in fleet.cores.values())
    assert "2 got a second attempt (" in answer["Data"]["Status"]
    # The first release has one deployment; the second has two for the wave and two for the fleet.
    assert attempts == [3, 3, 5, 5]
    assert set(site.runs().values()) == {digest(2)}


def test_a_defective_component_gets_no_second_attempt_although_others_had_no_connection(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(12, v2=FaultRates(fails=0.5, loses_network_once=0.5))
    with site.on():
        made = cloudformation("Create", site.properties(1))
        bad = update(cloudformation, site, 2, made)
    assert bad["Status"] == "FAILED"
    assert "install step ended with 1" in bad["Reason"]
    assert len(site.deployments()) == 2


@nuclei
def test_the_devices_of_a_failed_wave_get_the_old_set_again(
    cloudformation: CloudFormation, make_site: MakeSite, is_lite: Callable[[str], bool]
) -> None:
    site = make_site(4, v2=FaultRates(fails=1.0))
    with site.on(is_lite=is_lite) as fleet:
        made = cloudformation("Create", site.properties(1))
        bad = update(cloudformation, site, 2, made, waves=[WAVE])
        assert bad["Status"] == "FAILED"
        assert "wave 1 of 1" in bad["Reason"]
        cores = fleet.cores.values()
        assert sum(core.is_broken for core in cores) == (2 if is_lite("") else 0)
        does_not_roll_back = "nucleus lite does not roll back" in bad["Reason"]
        assert does_not_roll_back == is_lite("")
        if is_lite(""):
            assert f"{site.component} 2.0.0 is BROKEN" in bad["Reason"]
            assert f"journalctl -a -t {site.component}" in bad["Reason"]
        else:
            assert "/greengrass/v2/logs/" in bad["Reason"]
        back = cloudformation.roll_back(
            site.properties(1, waves=[WAVE]), site.properties(2), made["PhysicalResourceId"]
        )
        assert back["Data"]["Status"] == "4 of 4 reachable devices run the release"
        assert not any(core.is_broken for core in cores)
        assert {core.components[site.component] for core in cores} == {"1.0.0"}


def test_a_fleet_of_both_nuclei_gets_the_hints_of_both(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2, v2=FaultRates(breaks=1.0))
    with site.on(is_lite=lambda thing: thing.endswith("1")):
        made = cloudformation("Create", site.properties(1))
        bad = update(cloudformation, site, 2, made)
    hint = bad["Reason"].partition("Try: ")[2]
    assert f"/greengrass/v2/logs/{site.component}.log" in hint
    assert f"`journalctl -a -t {site.component}`" in hint
