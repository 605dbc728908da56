"""MQTT topics of jobs in a namespace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.devices.job_topics import (
    NEXT,
    JobRequest,
    in_namespace,
    is_from_cloud,
    job_topic,
    next_job_topic,
    parse_request,
)

pytestmark = pytest.mark.unit

JOBS = "$aws/things/camera-1/jobs"
NAMESPACE = "namespace-aws-gg-deployment"
# Values that match ThingName, JobId and NamespaceId in botocore's models of iot and iot-jobs-data.
THINGS = st.from_regex(r"[a-zA-Z0-9:_-]{1,128}", fullmatch=True)
JOB_IDS = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
NAMESPACES = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)


def test_topics_are_those_of_the_nuclei() -> None:
    assert job_topic("camera-1", NEXT, "get") == f"{JOBS}/$next/{NAMESPACE}/get"
    assert job_topic("camera-1", "j", "update") == f"{JOBS}/j/{NAMESPACE}/update"
    assert next_job_topic("camera-1") == f"{JOBS}/notify-next-{NAMESPACE}"


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        (f"{JOBS}/notify", f"{JOBS}/notify-{NAMESPACE}"),
        (f"{JOBS}/notify-next", f"{JOBS}/notify-next-{NAMESPACE}"),
        (f"{JOBS}/$next/get/accepted", f"{JOBS}/$next/{NAMESPACE}/get/accepted"),
        (f"{JOBS}/j/update/rejected", f"{JOBS}/j/{NAMESPACE}/update/rejected"),
        ("$aws/events/job/j/completed", "$aws/events/job/j/completed"),
        ("$aws/things/camera-1/shadow/get/accepted", "$aws/things/camera-1/shadow/get/accepted"),
    ],
)
def test_replies_and_notifications_have_a_topic_in_each_namespace(
    topic: str, expected: str
) -> None:
    assert in_namespace(topic, "aws-gg-deployment") == expected


@pytest.mark.parametrize(
    "topic",
    [
        f"{JOBS}/get",
        f"{JOBS}/j/get",
        f"{JOBS}/$next/{NAMESPACE}/update",
        f"{JOBS}/j/{NAMESPACE}/get/accepted",
        f"{JOBS}/j/{NAMESPACE}/start-next",
        f"{JOBS}/notify-next-{NAMESPACE}",
        f"x/{JOBS}/j/{NAMESPACE}/get",
    ],
)
def test_other_topics_are_not_requests_of_a_namespace(topic: str) -> None:
    assert parse_request(topic) is None


@given(THINGS, JOB_IDS, NAMESPACES, st.sampled_from(["get", "update"]))
def test_each_request_is_answered_on_topics_that_only_the_cloud_publishes(
    thing: str, job_id: str, namespace: str, verb: str
) -> None:
    topic = f"$aws/things/{thing}/jobs/{job_id}/namespace-{namespace}/{verb}"
    assert parse_request(topic) == JobRequest(thing, job_id, namespace, verb)
    assert not is_from_cloud(topic)
    for outcome in ("accepted", "rejected"):
        plain = f"$aws/things/{thing}/jobs/{job_id}/{verb}/{outcome}"
        reply = in_namespace(plain, namespace)
        assert reply == f"{topic}/{outcome}"
        assert is_from_cloud(reply)
        assert parse_request(reply) is None
