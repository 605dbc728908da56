"""MQTT topics of IoT jobs in namespaces, such as the namespace of Greengrass deployments.

Sources: botocore's model of IoT, `CreateJob.namespaceId`; the topics that both Greengrass nuclei
use (aws-greengrass-nucleus, IotJobsClientWrapper; aws-greengrass-lite, iot_jobs_listener).
"""

import re
from dataclasses import dataclass

GREENGRASS_NAMESPACE = "aws-gg-deployment"
# The id that requests use for the first pending job of a thing.
NEXT = "$next"

_BASE = r"\$aws/things/(?P<thing>[^/]+)/jobs"
_REQUEST = re.compile(
    rf"{_BASE}/(?P<job>[^/]+)/namespace-(?P<namespace>[a-zA-Z0-9_-]+)/(?P<verb>get|update)"
)
_REPLY = re.compile(rf"(?P<job>{_BASE}/[^/]+)/(?P<reply>(?:get|update)/(?:accepted|rejected))")
_NOTIFICATION = re.compile(rf"{_BASE}/(?:notify|notify-next)")
_FROM_CLOUD = re.compile(
    rf"{_BASE}/(?:(?:notify|notify-next)-namespace-[^/]+"
    r"|[^/]+/namespace-[^/]+/(?:get|update)/(?:accepted|rejected))"
)


def job_topic(thing: str, job_id: str, verb: str) -> str:
    """Return the topic of a Greengrass device's ``get`` or ``update`` request for a job."""
    return f"$aws/things/{thing}/jobs/{job_id}/namespace-{GREENGRASS_NAMESPACE}/{verb}"


def next_job_topic(thing: str) -> str:
    """Return the topic on which a Greengrass device receives its next deployment."""
    return f"$aws/things/{thing}/jobs/notify-next-namespace-{GREENGRASS_NAMESPACE}"


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A device's request about a job in a namespace; `verb` is ``get`` or ``update``."""

    thing: str
    job_id: str
    namespace: str
    verb: str


def parse_request(topic: str) -> JobRequest | None:
    """Parse the topic of a request about a job in a namespace; None for other topics."""
    match = _REQUEST.fullmatch(topic)
    if match is None or (match["job"] == NEXT and match["verb"] == "update"):
        return None
    return JobRequest(match["thing"], match["job"], match["namespace"], match["verb"])


def in_namespace(topic: str, namespace: str) -> str:
    """Add a namespace to the topic of a reply or notification about jobs.

    Other topics are returned unchanged.
    """
    if _NOTIFICATION.fullmatch(topic):
        return f"{topic}-namespace-{namespace}"
    match = _REPLY.fullmatch(topic)
    return topic if match is None else f"{match['job']}/namespace-{namespace}/{match['reply']}"


def is_from_cloud(topic: str) -> bool:
    """Return whether a topic is for the cloud's replies or notifications about namespaced jobs."""
    return _FROM_CLOUD.fullmatch(topic) is not None
