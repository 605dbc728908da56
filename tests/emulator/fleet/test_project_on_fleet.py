"""Custom::DeepLensProject on fleets of simulated cores, with CloudFormation's requests."""

import itertools
import json
import re
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from testkit.simulated_fleet.fault_model import FaultRates
from testkit.waiting import eventually
from tests.emulator.fleet.conftest import CloudFormation, Site, digest, function_arn
from tests.emulator.fleet.proxy import Answer, Meddle, Request, proxy, refusal
from tests.emulator.running_emulator import Emulator

pytestmark = pytest.mark.emulator

MakeSite = Callable[..., Site]
CRASHES, BLIND, OFF = FaultRates(fails=1.0), FaultRates(no_frames=1.0), FaultRates(offline=1.0)


def create(cfn: CloudFormation, site: Site, version: int = 1, **changes: Any) -> dict[str, Any]:
    answer = cfn("Create", site.properties(version, **changes))
    assert answer["Status"] == "SUCCESS", answer["Reason"]
    return answer


def update(
    cfn: CloudFormation, site: Site, old: int, new: int, physical_id: str, **changes: Any
) -> dict[str, Any]:
    return cfn(
        "Update",
        site.properties(new, **changes),
        OldResourceProperties=site.properties(old),
        PhysicalResourceId=physical_id,
    )


def wave_group(site: Site, number: int) -> str:
    return f"deeplens-test-wave-{number}-of-{site.group}"


def waves_of(site: Site) -> set[str]:
    """Return the names of the wave groups that have a deployment."""
    listed = site.aws.client("greengrassv2").list_deployments(parentTargetArn=site.group_arn)
    return {deployment["targetArn"].rpartition("/")[2] for deployment in listed["deployments"]}


def group_names(iot: Any) -> set[str]:
    pages = iot.get_paginator("list_thing_groups").paginate()
    return {group["groupName"] for page in pages for group in page["thingGroups"]}


def test_a_release_is_done_when_every_camera_names_it(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(5)
    with site.on():
        made = create(cloudformation, site)
        assert made["Data"]["Status"] == "5 of 5 reachable devices run the release"
        assert set(site.runs().values()) == {digest(1)}


def test_a_fleet_goes_from_v1_to_v2_and_back_and_forth(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(3)
    with site.on():
        made = create(cloudformation, site)
        for old, new in ((1, 2), (2, 1), (1, 2)):
            answer = update(cloudformation, site, old, new, made["PhysicalResourceId"])
            assert answer["Status"] == "SUCCESS", answer["Reason"]
            assert answer["PhysicalResourceId"] == made["PhysicalResourceId"]
            assert set(site.runs().values()) == {digest(new)}


@pytest.mark.parametrize(
    ("fault_rates", "expected", "wait_seconds"),
    [
        (CRASHES, "install step ended with 1", 240),
        # A missing frame becomes a failure only at the end of the wait.
        (BLIND, "without a frame", 15),
        (FaultRates(breaks=1.0), "is BROKEN: simulated: ended with 1; last lines", 240),
    ],
    ids=["fails", "no frames", "breaks"],
)
def test_a_bad_release_is_refused_and_the_old_one_is_proven_again(
    cloudformation: CloudFormation,
    make_site: MakeSite,
    fault_rates: FaultRates,
    expected: str,
    wait_seconds: int,
) -> None:
    site = make_site(3, v2=fault_rates)
    with site.on():
        made = create(cloudformation, site)
        bad = update(
            cloudformation, site, 1, 2, made["PhysicalResourceId"], wait_seconds=wait_seconds
        )
        assert bad["Status"] == "FAILED"
        assert expected in bad["Reason"]
        assert all(thing in bad["Reason"] for thing in site.things)
        assert "Try: " in bad["Reason"]

        back = update(cloudformation, site, 2, 1, made["PhysicalResourceId"])
        assert back["Status"] == "SUCCESS", back["Reason"]
        assert set(site.runs().values()) == {digest(1)}
        assert len(site.deployments()) == 3


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (CRASHES, "install step ended with 1"),
        (BLIND, "without a frame"),
        (OFF, "has not taken the deployment yet"),
    ],
    ids=["fail", "no frames", "take nothing"],
)
def test_a_rollback_never_fails_because_of_devices(
    cloudformation: CloudFormation,
    make_site: MakeSite,
    capsys: pytest.CaptureFixture[str],
    now: FaultRates,
    expected: str,
) -> None:
    site = make_site(3, v2=CRASHES)
    with site.on():
        made = create(cloudformation, site)
        assert update(cloudformation, site, 1, 2, made["PhysicalResourceId"])["Status"] == "FAILED"
        site.fault_rates[1] = now
        back = cloudformation.roll_back(
            site.properties(1, wait_seconds=10),
            site.properties(2),
            made["PhysicalResourceId"],
        )
    assert back["Status"] == "SUCCESS", back["Reason"]
    status = back["Data"]["Status"]
    counted = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [(record["UnverifiedRollbacks"], record["Environment"]) for record in counted] == [
        (1, "test")
    ]
    assert counted[0]["status"] == status
    assert status.startswith("the rollback is deployed, but devices do not run it yet: 0 of ")
    assert expected in status
    assert all(thing in status for thing in site.things)
    newest = site.deployments()[0]["deploymentId"]
    tags = site.aws.client("greengrassv2").get_deployment(deploymentId=newest)["tags"]
    assert "deeplens:proven" not in tags
    assert "0 of " in tags["deeplens:rolled-back"]


def test_a_rollback_waits_for_devices_that_come_and_goes_to_all_at_once(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(4, v2=CRASHES)
    wave = {"thing_group": None, "percent": 25, "wait_seconds": 10, "bake_seconds": 0,
            "pause_seconds": 0}  # fmt: skip
    made = create(cloudformation, site)  # Without a verified release, the update has no waves.
    with site.on():
        update(cloudformation, site, 1, 2, made["PhysicalResourceId"])
        back = cloudformation.roll_back(
            site.properties(1, waves=[wave]), site.properties(2), made["PhysicalResourceId"]
        )
        assert back["Data"]["Status"] == "4 of 4 reachable devices run the release"
        assert set(site.runs().values()) == {digest(1)}


def test_a_rollback_to_a_release_that_somebody_stopped_changes_nothing(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(1)
    greengrass = site.aws.client("greengrassv2")
    with site.on():
        made = create(cloudformation, site)
        (only,) = site.deployments()
        arn = f"arn:aws:greengrass:eu-central-1:111111111111:deployments:{only['deploymentId']}"
        greengrass.tag_resource(resourceArn=arn, tags={"deeplens:stopped": "it detects nothing"})
        back = cloudformation.roll_back(
            site.properties(1), site.properties(1), made["PhysicalResourceId"]
        )
    assert back["Status"] == "SUCCESS", back["Reason"]
    assert "it detects nothing" in back["Data"]["Status"]
    assert len(site.deployments()) == 1


def test_a_delete_never_fails_because_of_devices(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2)
    with site.on() as fleet:
        made = create(cloudformation, site)
        site.fault_rates[0] = CRASHES
        gone = cloudformation(
            "Delete", site.properties(1), PhysicalResourceId=made["PhysicalResourceId"]
        )
        assert gone["Status"] == "SUCCESS", gone["Reason"]
        assert all(core.components for core in fleet.cores.values())
    # The cores still have the components, which the new deployment removes later.
    newest = site.deployments()[0]["deploymentId"]
    deployment = site.aws.client("greengrassv2").get_deployment(deploymentId=newest)
    assert not deployment.get("components")


def test_a_release_that_cameras_verify_passes_though_their_jobs_never_finish(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2, v1=FaultRates(never_finishes=1.0))
    with site.on(heartbeat_seconds=1.0):
        made = create(cloudformation, site, wait_seconds=8)
    assert made["Data"]["Status"] == (
        "2 of 2 reachable devices run the release; "
        f"2 of these ({', '.join(site.things)}): the job did not finish"
    )


def test_a_release_that_met_no_camera_is_proven_by_those_that_came_before_it_goes(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2)
    greengrass = site.aws.client("greengrassv2")
    made = create(cloudformation, site)
    (first,) = site.deployments()

    def tags() -> dict[str, str]:
        tags: dict[str, str] = greengrass.get_deployment(deploymentId=first["deploymentId"])["tags"]
        return tags

    assert "deeplens:proven" not in tags()
    with site.on():
        eventually(lambda: set(site.runs().values()) == {digest(1)}, site.runs, pause=0.1)
        answer = update(cloudformation, site, 1, 2, made["PhysicalResourceId"])
        assert answer["Status"] == "SUCCESS", answer["Reason"]
    assert "2 of 2 reachable devices run the release" in tags()["deeplens:proven"]


def test_a_release_that_its_gate_stopped_is_not_proven_when_it_goes(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2)
    with site.on():
        made = create(cloudformation, site)
        # All cameras run the release, but the rule requires a larger number.
        answer = update(
            cloudformation, site, 1, 2, made["PhysicalResourceId"],
            rule={"minimum_devices": 3}, wait_seconds=10,
        )  # fmt: skip
        assert answer["Status"] == "FAILED"
        back = update(cloudformation, site, 2, 1, made["PhysicalResourceId"])
        assert back["Status"] == "SUCCESS", back["Reason"]
    greengrass = site.aws.client("greengrassv2")
    proven = {
        deployment["tags"]["deeplens:model-digest"]
        for each in site.deployments()
        if "deeplens:proven"
        in (deployment := greengrass.get_deployment(deploymentId=each["deploymentId"]))["tags"]
    }
    assert proven == {digest(1)}


def test_a_percentage_wave_shields_the_rest_of_the_fleet(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(8, v2=BLIND)
    wave = {"thing_group": None, "percent": 25, "wait_seconds": 10, "bake_seconds": 0,
            "pause_seconds": 0}  # fmt: skip
    with site.on():
        made = create(cloudformation, site)
        bad = update(cloudformation, site, 1, 2, made["PhysicalResourceId"], waves=[wave])
        assert bad["Status"] == "FAILED"
        assert f"wave 1 of 1 ({wave_group(site, 1)}): 0 of 2 reachable" in bad["Reason"]
        eventually(lambda: list(site.runs().values()).count(digest(2)) == 2, site.runs)

        back = update(cloudformation, site, 2, 1, made["PhysicalResourceId"])
        assert back["Status"] == "SUCCESS", back["Reason"]
        assert set(site.runs().values()) == {digest(1)}


def test_waves_end_with_the_whole_fleet(
    cloudformation: CloudFormation, make_site: MakeSite, iot: Any
) -> None:
    site = make_site(6)
    canaries = f"{site.group}-canaries"
    iot.create_thing_group(thingGroupName=canaries)
    iot.add_thing_to_thing_group(thingGroupName=canaries, thingName=site.things[0])
    waves = [
        {"thing_group": canaries, "percent": 0, "wait_seconds": 240, "bake_seconds": 1,
         "pause_seconds": 0},
        {"thing_group": None, "percent": 50, "wait_seconds": 240, "bake_seconds": 0,
         "pause_seconds": 0},
    ]  # fmt: skip
    with site.on():
        # Waves require a verified release, so the first deployment has no waves.
        made = create(cloudformation, site, waves=waves)
        assert made["Data"]["Status"] == "6 of 6 reachable devices run the release"
        assert set(site.runs().values()) == {digest(1)}
        assert waves_of(site) == set()

        answer = update(cloudformation, site, 1, 2, made["PhysicalResourceId"], waves=waves)
        assert answer["Data"]["Status"] == "6 of 6 reachable devices run the release"
        assert set(site.runs().values()) == {digest(2)}
        assert waves_of(site) == {canaries, wave_group(site, 2)}

        without = update(cloudformation, site, 2, 3, made["PhysicalResourceId"])
        assert without["Status"] == "SUCCESS", without["Reason"]
    # The rollout deletes its own groups of removed waves, but not a group that a user created.
    assert waves_of(site) == set()
    names = group_names(iot)
    assert canaries in names
    assert wave_group(site, 2) not in names


def test_a_fleet_that_was_renamed_leaves_nothing(
    cloudformation: CloudFormation, make_site: MakeSite, iot: Any
) -> None:
    site = make_site(4)
    wave = {"thing_group": None, "percent": 50, "wait_seconds": 240, "bake_seconds": 0,
            "pause_seconds": 0}  # fmt: skip
    with site.on():
        made = create(cloudformation, site)
        update(cloudformation, site, 1, 2, made["PhysicalResourceId"], waves=[wave])
        assert waves_of(site) == {wave_group(site, 1)}
    # CloudFormation updates the group's stack first, which deletes the group.
    iot.delete_thing_group(thingGroupName=site.group)
    gone = cloudformation(
        "Delete", site.properties(2, waves=[wave]), PhysicalResourceId=made["PhysicalResourceId"]
    )
    assert gone["Status"] == "SUCCESS", gone["Reason"]
    assert waves_of(site) == set()
    assert wave_group(site, 1) not in group_names(iot)
    assert "ACTIVE" not in {deployment["deploymentStatus"] for deployment in site.deployments()}


def test_offline_devices_are_counted_apart(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(6, v1=FaultRates(offline=0.5))
    with site.on():
        rule = {"offline_after_seconds": 10.0}
        status = create(cloudformation, site, rule=rule)["Data"]["Status"]
    online = sum(digest_ is not None for digest_ in site.runs().values())
    assert 0 < online < 6
    assert f"{online} of {online} reachable" in status
    assert f"{6 - online} offline" in status


def test_the_rule_lets_a_share_fail_and_no_more(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(12, v1=FaultRates(fails=0.3))
    with site.on():
        rule = {"success_percent": 40.0, "error_percent": 60.0}
        made = create(cloudformation, site, rule=rule)
        assert " failed (" in made["Data"]["Status"]


def test_the_same_request_twice_is_one_deployment(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2)
    with site.on():
        create(cloudformation, site)
        create(cloudformation, site)
    assert len(site.deployments()) == 1


def test_a_handler_that_is_killed_midway_goes_on_when_lambda_tries_again(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2)
    event = {"RequestType": "Create", "ResponseURL": cloudformation.url, "StackId": "s",
             "RequestId": "r-1", "LogicalResourceId": "Project",
             "ResourceProperties": site.properties(1)}  # fmt: skip
    with site.on():
        killed = patch("shared.fleet.monitor.RolloutMonitor.wait", side_effect=SystemExit)
        with killed, pytest.raises(SystemExit):
            cloudformation.send(event)
        assert cloudformation.send(event)["Status"] == "SUCCESS"
    assert len(site.deployments()) == 1


def _created(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/deployments")


def lost_once() -> Meddle:
    """Return a proxy function that drops the response to the first created deployment."""
    lost: list[Request] = []

    def meddle(request: Request, pass_on: Callable[[], Answer]) -> Answer | None:
        answer = pass_on()
        if _created(request) and not lost:
            lost.append(request)
            return None
        return answer

    return meddle


def conflict_once() -> Meddle:
    """Return a proxy function that creates the first deployment, but responds with a conflict."""
    seen: list[Request] = []

    def meddle(request: Request, pass_on: Callable[[], Answer]) -> Answer:
        answer = pass_on()
        if _created(request) and not seen:
            seen.append(request)
            return refusal(409, "ConflictException", "Another request is under way")
        return answer

    return meddle


def throttled_every_third() -> Meddle:
    numbers = itertools.count(1)

    def meddle(_: Request, pass_on: Callable[[], Answer]) -> Answer:
        if next(numbers) % 3 == 0:
            return refusal(429, "ThrottlingException", "Rate exceeded")
        return pass_on()

    return meddle


def denied(path: str) -> Meddle:
    """Return a proxy function that denies calls with a path that matches the pattern `path`."""

    def meddle(request: Request, pass_on: Callable[[], Answer]) -> Answer:
        if re.search(path, request.path):
            return refusal(403, "AccessDeniedException", "User is not authorized")
        return pass_on()

    return meddle


@pytest.mark.parametrize("question", ["effectiveDeployments", "installedComponents"])
def test_a_failing_release_names_its_devices_although_their_details_are_denied(
    aws: Emulator,
    cloudformation: CloudFormation,
    make_site: MakeSite,
    monkeypatch: pytest.MonkeyPatch,
    question: str,
) -> None:
    site = make_site(2, v2=CRASHES)
    with site.on(), proxy(aws, denied(question)) as url:
        made = create(cloudformation, site)
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        bad = update(cloudformation, site, 1, 2, made["PhysicalResourceId"])
    assert bad["Status"] == "FAILED"
    # One device's second attempt may fail before the other device's attempt ends.
    assert re.match(r"0 of 2 reachable devices run the release; [12] failed \(", bad["Reason"])
    assert all(f"{site.group}-000{number}" in bad["Reason"] for number in range(2))
    # If one query is denied, the results of the other query remain.
    assert ("install step ended with 1" in bad["Reason"]) == (question == "installedComponents")
    assert "AWS did not answer: An error occurred (AccessDeniedException)" in bad["Reason"]


def test_a_delete_succeeds_although_its_deployment_cannot_be_deleted(
    aws: Emulator,
    cloudformation: CloudFormation,
    make_site: MakeSite,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = make_site(2)

    def meddle(request: Request, pass_on: Callable[[], Answer]) -> Answer:
        if request.method == "DELETE":
            return refusal(403, "AccessDeniedException", "User is not authorized: iot:DeleteJob")
        return pass_on()

    with site.on() as fleet, proxy(aws, meddle) as url:
        made = create(cloudformation, site)
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        gone = cloudformation(
            "Delete", site.properties(1), PhysicalResourceId=made["PhysicalResourceId"]
        )
        assert gone["Status"] == "SUCCESS", gone["Reason"]
        assert all(core.components == {} for core in fleet.cores.values())


@pytest.mark.parametrize("meddle", [lost_once, conflict_once, throttled_every_third])
def test_an_unkind_network_makes_no_second_deployment(
    aws: Emulator,
    cloudformation: CloudFormation,
    make_site: MakeSite,
    monkeypatch: pytest.MonkeyPatch,
    meddle: Callable[[], Meddle],
) -> None:
    site = make_site(2)
    with site.on(), proxy(aws, meddle()) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        made = create(cloudformation, site)
        assert made["Data"]["Status"] == "2 of 2 reachable devices run the release"
    assert len(site.deployments()) == 1


def test_throttling_while_it_waits_is_no_verdict(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2)
    throttled = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "List")
    from shared.fleet.queries import FleetQueries  # noqa: PLC0415 - the fixture sets the import path

    real, calls = FleetQueries.things, []

    def things(fleet: FleetQueries, group: str) -> list[str]:
        calls.append(group)
        if len(calls) in (1, 3):
            raise throttled
        return real(fleet, group)

    with site.on(), patch.object(FleetQueries, "things", things):
        assert create(cloudformation, site)["Data"]["Status"].startswith("2 of 2")


def test_a_failed_create_is_taken_off_the_devices(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2, v1=BLIND)
    with site.on() as fleet:
        bad = cloudformation("Create", site.properties(1, wait_seconds=3))
        assert bad["Status"] == "FAILED"
        gone = cloudformation(
            "Delete", site.properties(1), PhysicalResourceId=bad["PhysicalResourceId"]
        )
        assert gone["Status"] == "SUCCESS", gone["Reason"]
        assert all(core.components == {} for core in fleet.cores.values())


def test_a_deleted_project_leaves_the_devices_or_goes_as_it_was_told(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2)
    with site.on() as fleet:
        made = create(cloudformation, site, OnDelete="keep")
        named = {"PhysicalResourceId": made["PhysicalResourceId"]}
        answer = cloudformation("Delete", site.properties(1, OnDelete="keep"), **named)
        assert answer["Status"] == "SUCCESS"
        assert all(core.components for core in fleet.cores.values())

        # A new resource adopts the components. The deletion waits until the devices remove the
        # components.
        create(cloudformation, site)
        assert len(site.deployments()) == 1
        gone = cloudformation("Delete", site.properties(1), **named)
        assert gone["Status"] == "SUCCESS", gone["Reason"]
        assert all(core.components == {} for core in fleet.cores.values())


def test_a_renamed_project_is_the_same_resource(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2)
    with site.on() as fleet:
        made = create(cloudformation, site)
        renamed = update(
            cloudformation, site, 1, 1, made["PhysicalResourceId"],
            ProjectName="other", DeploymentName="deeplens-other",
        )  # fmt: skip
        assert renamed["PhysicalResourceId"] == made["PhysicalResourceId"]
        assert all(core.components for core in fleet.cores.values())


def test_another_stacks_fleet_is_left_alone_by_a_delete(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(2)
    with site.on() as fleet:
        made = create(cloudformation, site)
        other = CloudFormation(cloudformation.handler, cloudformation.url, cloudformation.answers)
        gone = other("Delete", site.properties(1), PhysicalResourceId=made["PhysicalResourceId"])
        assert gone["Status"] == "SUCCESS"
        assert all(core.components for core in fleet.cores.values())


def test_the_stack_completes_after_the_last_heartbeat_and_does_not_wait_for_its_deadline(
    cloudformation: CloudFormation, make_site: MakeSite
) -> None:
    site = make_site(3, v1=FaultRates(slow=1.0, slow_download_seconds=4.0))
    # The limits exceed the time that a test may take.
    cloudformation.seconds = 10_000.0
    with site.on() as fleet:
        create(cloudformation, site, wait_seconds=9_000)
        last = max(core.started_at for core in fleet.cores.values())
        assert time.time() > last
        assert set(site.runs().values()) == {digest(1)}


def test_the_stacks_own_status_says_whether_it_is_rolled_back(
    aws: Emulator, cloudformation: CloudFormation
) -> None:
    del cloudformation  # The fixture configures the handler's clients.
    from cloudformation import ResourceRequest, is_rolling_back  # noqa: PLC0415 - the fixture sets the import path

    client = aws.client("cloudformation")
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    bad = {"Bad": {"Type": "Custom::Bad", "Properties": {"ServiceToken": f"{function_arn(1)}-no"}}}
    stack = client.create_stack(
        StackName="rolled-back", TemplateBody=json.dumps({"Resources": topic})
    )["StackId"]
    request = ResourceRequest("Update", {}, None, lambda: 0.0, owner=f"{stack}/Project")

    def status() -> str:
        return str(client.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])

    eventually(lambda: status() == "CREATE_COMPLETE", status)
    assert not is_rolling_back(request)
    client.update_stack(StackName=stack, TemplateBody=json.dumps({"Resources": {**topic, **bad}}))
    eventually(lambda: status().startswith("UPDATE_ROLLBACK"), status)
    assert is_rolling_back(request)
