"""Health messages change the record of a core device, in the order of arrival."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.services.greengrass import health

pytestmark = pytest.mark.unit

NAMES = ("camera", "model", "runtime")
ARNS = tuple(
    f"arn:aws:greengrass:eu-central-1:111111111111:configuration:thinggroup/dev:{revision}"
    for revision in (1, 2)
)
Message = dict[str, Any]


def component(name: str, status: str = "RUNNING", **more: Any) -> Message:
    return {
        "componentName": name, "version": "1.2.3", "fleetConfigArns": [ARNS[0]], "isRoot": True,
        "status": status, **more,
    }  # fmt: skip


def message(number: int, *components: Message, **more: Any) -> Message:
    return {
        "ggcVersion": "2.6.0", "platform": "linux", "architecture": "amd64",
        "runtime": "aws_nucleus_lite", "thing": "camera-1", "overallDeviceStatus": "HEALTHY",
        "sequenceNumber": number, "timestamp": 1_000 + number, "messageType": "PARTIAL",
        "trigger": "COMPONENT_STATUS_CHANGE", "components": list(components),
        "deploymentInformation": {}, **more,
    }  # fmt: skip


def launch(number: int, *components: Message, **more: Any) -> Message:
    complete = {"messageType": "COMPLETE", "trigger": "NUCLEUS_LAUNCH", **more}
    return message(number, *components, **complete)


def after(*messages: Message) -> Message:
    record = health.new_record()
    for message in messages:
        assert health.is_health_message(message)
        health.apply(record, copy.deepcopy(message))
    return record


def states(record: Message) -> dict[str, str]:
    return {name: component["lifecycleState"] for name, component in record["components"].items()}


def visible(record: Message) -> Message:
    """Return a record without the values that depend on the order of messages."""
    shown = {name: value for name, value in record.items() if name != "order"}
    shown["components"] = {
        name: {key: value for key, value in component.items() if key != "lastStatusChangeTimestamp"}
        for name, component in record["components"].items()
    }
    return shown


def test_uninstalled_removes_a_component() -> None:
    removed = component("model", "UNINSTALLED", version="", fleetConfigArns=[])
    record = after(launch(1, component("camera"), component("model")), message(2, removed))
    assert states(record) == {"camera": "RUNNING"}


def test_a_removed_component_does_not_return_with_an_older_message() -> None:
    removed = component("model", "UNINSTALLED", version="", fleetConfigArns=[])
    older = message(2, component("model", "ERRORED"))
    record = after(launch(1, component("model")), message(3, removed), older)
    assert states(record) == {}
    again = message(4, component("model", "STARTING"))
    assert states(after(launch(1), message(3, removed), older, again)) == {"model": "STARTING"}


def test_the_classic_nucleus_reports_a_removed_component_once_more_without_deployments() -> None:
    """A removed component disappears from the classic nucleus' record after its last report.

    A later COMPLETE message does not contain the component.
    """
    removed = component("model", "FINISHED", fleetConfigArns=[], isRoot=False)
    outcome = message(2, removed, trigger="THING_GROUP_DEPLOYMENT")
    del outcome["runtime"]
    assert states(after(launch(1, component("model")), outcome)) == {}
    for other in ({"trigger": "BROKEN_COMPONENT"}, {"runtime": "aws_nucleus_lite"}):
        record = after(launch(1, component("model")), {**outcome, **other})
        assert states(record) == {"model": "FINISHED"}


def test_details_of_a_component_are_its_component_status_details() -> None:
    details = {"statusCodes": ["RUN_ERROR"], "statusReason": "The run script exited with code 1."}
    broken = component("camera", "BROKEN", componentStatusDetails=details)
    shown = after(launch(1, broken))["components"]["camera"]
    assert shown["lifecycleStateDetails"] == details["statusReason"]
    assert shown["lifecycleStatusCodes"] == details["statusCodes"]
    other_key = component("camera", "BROKEN", statusDetails=details)
    assert after(launch(1, other_key))["components"]["camera"]["lifecycleStateDetails"] == ""


def test_a_message_without_a_runtime_is_from_the_classic_nucleus() -> None:
    classic = launch(0)
    del classic["runtime"]
    assert after(classic)["runtime"] == "aws_nucleus_classic"
    assert after(launch(1))["runtime"] == "aws_nucleus_lite"


def test_chunks_of_one_complete_message_add_up() -> None:
    """The chunks of a COMPLETE message form one message.

    The classic nucleus divides large messages into chunks with the same message number.
    """
    parts = [
        launch(5, component(name), chunkInfo={"chunkId": index, "totalChunks": 2})
        for index, name in enumerate(("camera", "model"), 1)
    ]
    for order in (parts, parts[::-1]):
        record = after(launch(1, component("runtime")), *order)
        assert states(record) == {"camera": "RUNNING", "model": "RUNNING"}


def test_a_device_that_is_set_up_again_restarts_its_numbers() -> None:
    old = [launch(1, component("model")), *(message(number) for number in range(2, 500))]
    again = launch(1, component("camera"), timestamp=9_000)
    late = message(500, component("model", "BROKEN"), overallDeviceStatus="UNHEALTHY")
    record = after(*old, again, late)
    assert states(record) == {"camera": "RUNNING"}
    assert record["status"] == "HEALTHY"
    later = message(2, component("camera", "ERRORED"), timestamp=9_001)
    assert states(after(*old, again, late, later)) == {"camera": "ERRORED"}


def test_a_lost_launch_message_does_not_silence_a_device_that_is_set_up_again() -> None:
    old = [launch(1, component("model")), *(message(number) for number in range(2, 500))]
    first_received = message(3, component("camera"), timestamp=9_003)
    assert states(after(*old, first_received))["camera"] == "RUNNING"


def test_a_device_that_is_set_up_again_with_a_slow_clock_is_recognized_by_its_launch() -> None:
    old = [launch(1, component("model")), message(2, timestamp=50_000)]
    again = launch(1, component("camera"), timestamp=40_000)
    assert states(after(*old, again)) == {"camera": "RUNNING"}


def test_a_nucleus_that_starts_again_continues_its_numbers() -> None:
    record = after(launch(0, component("camera")), message(1), launch(2, component("model")))
    assert states(record) == {"model": "RUNNING"}


def test_a_report_of_a_deployment_is_news_once() -> None:
    def outcome(number: int, status: str) -> Message:
        information = {"status": status, "fleetConfigurationArnForStatus": ARNS[0]}
        return message(number, deploymentInformation=information)

    record = health.new_record()
    assert health.apply(record, launch(1)) is None
    newest = outcome(3, "SUCCEEDED")
    assert health.apply(record, newest) == newest["deploymentInformation"]
    assert health.apply(record, outcome(2, "FAILED")) is None
    assert record["reports"][ARNS[0]]["status"] == "SUCCEEDED"


STATES = st.sampled_from(["RUNNING", "ERRORED", "BROKEN", "FINISHED", "UNINSTALLED"])
CHANGES = st.dictionaries(st.sampled_from(NAMES), STATES, max_size=len(NAMES))
REPORTS = st.none() | st.tuples(st.sampled_from(ARNS), st.sampled_from(["SUCCEEDED", "FAILED"]))


@st.composite
def histories(
    draw: st.DrawFn, first: int = 1, start_ms: int = 1_000, least: int = 1
) -> list[Message]:
    """Draw the messages of one installation, in order, with consistent states and times."""
    sent: list[Message] = []
    running: dict[str, str] = {}
    time_ms = start_ms
    kinds = draw(st.lists(st.tuples(st.booleans(), CHANGES, REPORTS), min_size=least, max_size=8))
    for offset, (is_complete, changes, report) in enumerate(kinds):
        time_ms += draw(st.integers(1, 5_000))
        running = {**running, **changes}
        changed = dict(changes)
        if is_complete or not offset:
            running = changed = {
                name: state for name, state in running.items() if state != "UNINSTALLED"
            }
        information = {}
        if report is not None:
            information = {"fleetConfigurationArnForStatus": report[0], "status": report[1]}
        make = launch if is_complete or not offset else message
        sent.append(
            make(
                first + offset,
                *(component(name, state) for name, state in changed.items()),
                timestamp=time_ms,
                overallDeviceStatus="UNHEALTHY" if "BROKEN" in running.values() else "HEALTHY",
                deploymentInformation=information,
            )
        )
    return sent


@given(st.data())
def test_order_and_repetition_do_not_matter(data: st.DataObject) -> None:
    sent = data.draw(histories(first=data.draw(st.integers(0, 1))))
    arrived = data.draw(st.permutations(sent + data.draw(st.lists(st.sampled_from(sent)))))
    assert visible(after(*arrived)) == visible(after(*sent))


@given(st.data())
def test_messages_from_before_a_set_up_do_not_win(data: st.DataObject) -> None:
    """Late messages from before a new installation do not replace newer messages."""
    old = data.draw(histories(least=5))
    new = data.draw(histories(start_ms=old[-1]["timestamp"] + 1))
    on_time = data.draw(st.integers(4, len(old)))
    first, rest = new[:3], new[3:]
    arrived = [
        *data.draw(st.permutations(old[:on_time])),
        *data.draw(st.permutations(first)),
        *data.draw(st.permutations(old[on_time:] + rest)),
    ]
    expected = visible(after(*new))
    actual = visible(after(*arrived))
    # Results are stored by deployment, so the record also contains the old deployments.
    del expected["reports"], actual["reports"]
    assert actual == expected


@given(st.data())
def test_the_order_of_numbers_decides_whatever_the_clock(data: st.DataObject) -> None:
    sent = data.draw(histories())
    clock = st.integers(0, 2**41)
    corrected = [{**message, "timestamp": data.draw(clock)} for message in sent]
    assert states(after(*corrected)) == states(after(*sent))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(list(launch(1))), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(launch(1))), JSON) | JSON)
def test_any_message_is_applied_or_is_not_a_health_message(sent: Any) -> None:
    if health.is_health_message(sent):
        record = after(sent)
        assert record["status"]


@pytest.mark.parametrize(
    "member",
    [
        {"sequenceNumber": "1"}, {"timestamp": True}, {"components": {}}, {"trigger": 1},
        {"components": [{"version": "1.0.0"}]}, {"components": ["camera"]},
        {"components": [component("camera", fleetConfigArns="arn")]},
        {"components": [component("camera", componentStatusDetails="it broke")]},
        {"deploymentInformation": "SUCCEEDED"},
        {"deploymentInformation": {"fleetConfigurationArnForStatus": 1}},
        {"deploymentInformation": {"status": {}}},
        {"deploymentInformation": {"statusDetails": {"errorStack": 1}}},
        {"deploymentInformation": {"statusDetails": {"errorTypes": [1]}}},
        {"deploymentInformation": {"statusDetails": {"failureCause": 1}}},
        {"components": [component("camera", componentStatusDetails={"statusCodes": [1]})]},
        {"sequenceNumber": -2}, {"timestamp": -1}, {"timestamp": 10**15}, {"timestamp": 10**400},
    ],
)  # fmt: skip
def test_members_of_other_types_are_not_of_a_health_message(member: Message) -> None:
    assert health.is_health_message(launch(1))
    assert not health.is_health_message({**launch(1), **member})
