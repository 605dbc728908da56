"""Health messages of each nucleus: content, numbers and times."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from local_aws.core_device.component import InstalledComponent
from local_aws.core_device.device import NUCLEI
from local_aws.core_device.errors import BROKEN, UPDATE, DeploymentFailed
from local_aws.core_device.health import HealthReporter, outcome
from local_aws.core_device.nucleus import Kind

BOTH = pytest.mark.parametrize("kind", ["classic", "lite"])
DOCUMENT = {"configurationArn": "arn:1", "deploymentId": "d"}


class Bench:
    """A reporter for two components, with its sent messages."""

    def __init__(self, kind: Kind, folder: Path, pause_seconds: float = 0.0) -> None:
        self.nucleus = NUCLEI[kind]
        self.sent: list[dict[str, Any]] = []
        self.running = {
            name: InstalledComponent(name, "1.0.0", {}, {}, status="RUNNING") for name in ("a", "b")
        }
        self.reporter = HealthReporter(
            self.nucleus,
            "cam",
            folder / "sequence",
            self.running,
            lambda name: (("arn:1",), name == "a"),
            lambda payload: self.sent.append(json.loads(payload)),
            pause_seconds,
        )

    def change(self, name: str, status: str, reason: str = "") -> None:
        component = self.running[name]
        component.status, component.reason = status, reason
        self.reporter.status_changed(component)

    def kinds(self) -> list[tuple[str, str, list[str]]]:
        return [
            (
                message["messageType"],
                message["trigger"],
                [item["componentName"] for item in names(message)],
            )
            for message in self.sent
        ]


def names(message: dict[str, Any]) -> list[dict[str, Any]]:
    components: list[dict[str, Any]] = message["components"]
    return components


@pytest.fixture
def on_bench(tmp_path: Path) -> Callable[..., Bench]:
    def run(kind: Kind, course: Callable[[Bench], object], **options: Any) -> Bench:
        async def made() -> Bench:
            bench = Bench(kind, tmp_path, **options)
            result = course(bench)
            if isinstance(result, Awaitable):
                await result
            bench.reporter.close()
            return bench

        return asyncio.run(made())

    return run


@BOTH
def test_a_core_that_starts_reports_all_components(
    on_bench: Callable[..., Bench], kind: Kind
) -> None:
    [message] = on_bench(kind, lambda bench: bench.reporter.report_all("NUCLEUS_LAUNCH")).sent
    nucleus = NUCLEI[kind]
    assert (message["messageType"], message["trigger"]) == ("COMPLETE", "NUCLEUS_LAUNCH")
    assert message["overallDeviceStatus"] == "HEALTHY"
    assert message.get("runtime") == (None if kind == "classic" else "aws_nucleus_lite")
    assert message["ggcVersion"] == nucleus.version
    assert message["deploymentInformation"] == {}
    assert [component["status"] for component in names(message)] == ["RUNNING", "RUNNING"]


@pytest.mark.parametrize(("kind", "first"), [("classic", 0), ("lite", 1)])
def test_numbers_go_on_after_a_restart_of_the_core(
    on_bench: Callable[..., Bench], kind: Kind, first: int
) -> None:
    def two(bench: Bench) -> None:
        bench.reporter.report_all("NUCLEUS_LAUNCH")
        bench.reporter.report_all("CADENCE")

    sent = [*on_bench(kind, two).sent, *on_bench(kind, two).sent]
    assert [message["sequenceNumber"] for message in sent] == list(range(first, first + 4))


def test_classic_reports_an_error_alone_and_a_recovery_with_the_next_message(
    on_bench: Callable[..., Bench],
) -> None:
    def course(bench: Bench) -> None:
        bench.change("a", "ERRORED", "ended with 7")
        bench.change("a", "RUNNING")
        bench.change("b", "BROKEN")

    bench = on_bench("classic", course)
    assert bench.kinds() == [
        ("PARTIAL", "ERRORED_COMPONENT", ["a"]),
        ("PARTIAL", "BROKEN_COMPONENT", ["a", "b"]),
    ]
    statuses = [message["overallDeviceStatus"] for message in bench.sent]
    assert statuses == ["HEALTHY", "UNHEALTHY"]
    assert names(bench.sent[0])[0]["componentStatusDetails"]["statusReason"] == "ended with 7"


def test_lite_reports_each_change_several_times_with_all_components(
    on_bench: Callable[..., Bench],
) -> None:
    bench = on_bench("lite", lambda bench: bench.change("a", "ERRORED"))
    assert bench.kinds() == [("PARTIAL", "COMPONENT_STATUS_CHANGE", ["a", "b"])] * 5
    assert {message["overallDeviceStatus"] for message in bench.sent} == {"HEALTHY"}
    numbers = [message["sequenceNumber"] for message in bench.sent]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    ("kind", "listed", "unchanged"), [("classic", ["b"], ["a"]), ("lite", ["a", "b"], [])]
)
def test_a_deployment_is_reported_with_what_changed_and_what_did_not(
    on_bench: Callable[..., Bench], kind: Kind, listed: list[str], unchanged: list[str]
) -> None:
    def course(bench: Bench) -> None:
        bench.change("b", "RUNNING")
        bench.sent.clear()
        ended = outcome(bench.nucleus, DOCUMENT, "SUCCESSFUL", None)
        bench.reporter.report_deployment(ended, ["a", "b"])

    [message] = on_bench(kind, course).sent
    assert (message["messageType"], message["trigger"]) == ("PARTIAL", "THING_GROUP_DEPLOYMENT")
    assert [component["componentName"] for component in names(message)] == listed
    information = message["deploymentInformation"]
    assert information["unchangedRootComponents"] == unchanged
    assert information["deploymentId"] == "d"
    assert information["fleetConfigurationArnForStatus"] == "arn:1"
    assert information["statusDetails"]["detailedStatus"] == "SUCCESSFUL"


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        (
            "classic",
            {
                "detailedStatus": "FAILED_ROLLBACK_COMPLETE",
                "errorStack": ["DEPLOYMENT_FAILURE", UPDATE, BROKEN],
                "errorTypes": ["USER_COMPONENT_ERROR"],
                "failureCause": "no camera",
            },
        ),
        ("lite", {"detailedStatus": "FAILED_ROLLBACK_COMPLETE"}),
    ],
)
def test_only_classic_explains_a_failed_deployment(kind: Kind, details: dict[str, Any]) -> None:
    failure = DeploymentFailed("no camera", UPDATE, BROKEN)
    ended = outcome(NUCLEI[kind], DOCUMENT, "FAILED_ROLLBACK_COMPLETE", failure)
    assert ended["status"] == "FAILED"
    assert ended["statusDetails"] == details


@pytest.mark.parametrize(("kind", "status"), [("classic", "FINISHED"), ("lite", "UNINSTALLED")])
def test_a_removed_component_is_reported_once_by_the_deployment(
    on_bench: Callable[..., Bench], kind: Kind, status: str
) -> None:
    def course(bench: Bench) -> None:
        gone = bench.running.pop("a")
        gone.status = "FINISHED"
        bench.reporter.removed(gone)
        for _ in range(2):
            ended = outcome(bench.nucleus, DOCUMENT, "SUCCESSFUL", None)
            bench.reporter.report_deployment(ended, ["b"])

    first, second = on_bench(kind, course).sent
    [entry] = [component for component in names(first) if component["componentName"] == "a"]
    assert (entry["status"], entry["fleetConfigArns"]) == (status, [])
    assert "a" not in [component["componentName"] for component in names(second)]


def test_a_broken_component_is_reported_by_the_deployment_that_broke_it(
    on_bench: Callable[..., Bench],
) -> None:
    def course(bench: Bench) -> None:
        bench.reporter.is_deploying = True
        bench.change("a", "BROKEN", "ended with 7")
        assert bench.sent == []
        failure = DeploymentFailed("ended with 7", UPDATE, BROKEN)
        ended = outcome(bench.nucleus, DOCUMENT, "FAILED_ROLLBACK_NOT_REQUESTED", failure)
        bench.reporter.report_deployment(ended, ["a"])

    [message] = on_bench("classic", course).sent
    assert message["overallDeviceStatus"] == "UNHEALTHY"
    assert message["deploymentInformation"]["unchangedRootComponents"] == []


def test_a_message_waits_for_the_pause_after_the_one_before_and_keeps_its_order(
    on_bench: Callable[..., Bench],
) -> None:
    async def course(bench: Bench) -> None:
        bench.change("a", "ERRORED")
        bench.change("a", "BROKEN")
        assert len(bench.sent) == 1
        while len(bench.sent) < 2:  # noqa: ASYNC110 - a message sets no event
            await asyncio.sleep(0)

    bench = on_bench("classic", course, pause_seconds=0.01)
    assert [message["trigger"] for message in bench.sent] == [
        "ERRORED_COMPONENT",
        "BROKEN_COMPONENT",
    ]


def test_a_core_that_ends_reports_nothing_more(on_bench: Callable[..., Bench]) -> None:
    def course(bench: Bench) -> None:
        bench.reporter.close()
        bench.change("a", "BROKEN")

    assert on_bench("classic", course).sent == []


def test_the_pauses_of_the_nuclei_are_theirs() -> None:
    assert NUCLEI["classic"].pauses.health_seconds == 10.0
    assert NUCLEI["lite"].pauses.health_seconds == 0.0
    assert NUCLEI["lite"].pauses.unit_seconds == 300.0
