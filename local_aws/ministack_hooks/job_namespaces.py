"""Namespaces of IoT jobs: ministack stores the namespace of a job, but ignores it.

A thing has one queue of pending jobs for each namespace, and one for jobs without a namespace. The
device's topics contain the namespace. Topics without a namespace deliver only jobs without a
namespace.
"""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import contextlib
import json
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from ministack.services import iot

from local_aws.account_region import Scope
from local_aws.devices.job_topics import (
    NEXT,
    JobRequest,
    in_namespace,
    is_from_cloud,
    parse_request,
)
from local_aws.ministack_hooks.registration import within

logger = logging.getLogger(__name__)

# Maps each namespace to the ids of the pending jobs of a thing, oldest first.
_Queues = dict[str | None, list[str]]
# The namespace to which ministack's functions for pending jobs apply.
_current: ContextVar[str | None] = ContextVar("job_namespace", default=None)


def support_job_namespaces() -> None:
    """Separate the queues, topics and notifications of jobs by namespace."""
    _support_queues()
    _support_topics()


def _support_queues() -> None:
    """Separate the pending jobs and the notifications of a thing by namespace."""
    pending = iot.jobs_pending_for_thing
    notify = iot.jobs_notify_thing

    def pending_in_namespace(thing: str) -> list[dict[str, Any]]:
        return [job for job in pending(thing) if _namespace_of(job["jobId"]) == _current.get()]

    def queues(thing: str) -> _Queues:
        ids: _Queues = {}
        for execution in pending(thing):
            ids.setdefault(_namespace_of(execution["jobId"]), []).append(execution["jobId"])
        return ids

    async def notify_each(account: str, region: str, thing: str, before: _Queues | None) -> None:
        """Notify the thing in each namespace whose queue changed."""
        earlier = before or {}
        with within(Scope(account, region)):
            now = queues(thing)
        for namespace in earlier.keys() | now.keys():
            queue = earlier.get(namespace, [])
            if queue != now.get(namespace, []):
                with _acting_in(namespace):
                    await notify(account, region, thing, queue[0] if queue else None)

    iot.jobs_pending_for_thing = pending_in_namespace
    # ministack passes the result of this function only to the notification, so the result can have
    # another type.
    iot.jobs_first_pending_job_id = queues
    iot.jobs_notify_thing = notify_each


def _support_topics() -> None:
    """Serve requests on the topics of a namespace, and reply on topics of the same namespace."""
    handle = iot._handle_jobs_publish
    publish = iot.broker_publish
    may_publish = iot._reserved_topic_publish_allowed

    async def handle_own_jobs(  # noqa: PLR0913, PLR0917 - the signature of ministack's function
        account: str, region: str, thing: str, verb: str, job_id: str | None, payload: bytes
    ) -> None:
        with within(Scope(account, region)):
            is_own = job_id in {None, NEXT} or _namespace_of(job_id) == _current.get()
        if is_own:
            await handle(account, region, thing, verb, job_id, payload)
            return
        rejection = iot._jobs_rejected(
            "ResourceNotFound", f"Job {job_id} not found for {thing}", _client_token(payload)
        )
        topic = f"$aws/things/{thing}/jobs/{job_id}/{verb}/rejected"
        await iot.broker_publish(account, region, topic, json.dumps(rejection).encode(), qos=1)

    async def publish_and_serve(
        account: str, region: str, topic: str, payload: bytes, *args: Any, **kwargs: Any
    ) -> None:
        namespace = _current.get()
        full_topic = topic if namespace is None else in_namespace(topic, namespace)
        with _acting_in(None):
            await publish(account, region, full_topic, payload, *args, **kwargs)
        request = parse_request(topic)
        if request is not None:
            with _acting_in(request.namespace):
                await _serve(account, region, request, payload)

    def may_publish_on(topic: str) -> bool:
        return not is_from_cloud(topic) and bool(may_publish(topic))

    iot._handle_jobs_publish = handle_own_jobs
    iot.broker_publish = publish_and_serve
    iot._reserved_topic_publish_allowed = may_publish_on


async def _serve(account: str, region: str, request: JobRequest, payload: bytes) -> None:
    try:
        async with iot.publishing_events():
            await iot._handle_jobs_publish(
                account, region, request.thing, request.verb, request.job_id, payload
            )
    except Exception:
        # As in ministack, a failed request does not close the connection.
        logger.exception("the request %s failed", request)


@contextlib.contextmanager
def _acting_in(namespace: str | None) -> Iterator[None]:
    token = _current.set(namespace)
    try:
        yield
    finally:
        _current.reset(token)


def _namespace_of(job_id: str | None) -> str | None:
    """Return the namespace of a job in the current account and Region."""
    namespace: str | None = (iot._jobs.get(job_id) or {}).get("namespaceId")
    return namespace


def _client_token(payload: bytes) -> Any:
    try:
        request = json.loads(payload)
    except ValueError:
        return None
    return request.get("clientToken") if isinstance(request, dict) else None
