"""The core device itself: takes IoT jobs, carries out deployments, reports what it runs."""

import asyncio
import contextlib
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

from local_aws.core_device import components, deploying
from local_aws.core_device.access_control import PUBLISH, SUBSCRIBE, is_allowed
from local_aws.core_device.cloud import DeviceCloud
from local_aws.core_device.components import Component, Host
from local_aws.core_device.connection import Connection
from local_aws.core_device.deploying import Deployed
from local_aws.core_device.errors import DeploymentFailed
from local_aws.core_device.health import outcome, status_message
from local_aws.core_device.ipc import Cancel, Deliver, IpcServer, Refused
from local_aws.core_device.layout import Layout
from local_aws.core_device.outage import Outage
from local_aws.core_device.subscriptions import Subscriptions
from local_aws.core_device.token_exchange import TokenExchangeService
from local_aws.endpoint import Endpoint
from local_aws.job_topics import NEXT, job_topic, next_job_topic

logger = logging.getLogger(__name__)

_NUCLEUS = "aws.greengrass.Nucleus"
# IoT takes up to 1024 characters for one status detail of a job execution.
_LONGEST_DETAIL = 1000


class CoreDevice:
    """One virtual core device."""

    def __init__(
        self,
        endpoint: Endpoint,
        layout: Layout,
        interpreter: Path,
        camera_folder: Path | None,
        *,
        restart_seconds: float = 1.0,
    ) -> None:
        """Raise `NotProvisioned` if the device has no identity."""
        self._layout = layout
        self._identity = layout.read_identity()
        self._cloud = DeviceCloud(endpoint, layout, self._identity)
        self._loop = asyncio.get_running_loop()
        self._outage = Outage(self._loop, f"{endpoint.mqtt_host}:{endpoint.mqtt_port}")
        self._connection = Connection(
            endpoint,
            layout,
            self._identity.thing,
            lost=lambda reason: self._on_loop(self._outage.begin, reason),
            back=lambda: self._on_loop(self._reconnected),
        )
        self._ipc = IpcServer(self._publish, self._subscribe)
        self._jobs: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._deployed = Deployed()
        self._sequence = int(time.time() * 1000)
        # A Unix socket's path has at most 107 characters.
        self._runtime = Path(tempfile.mkdtemp(prefix="core-"))
        # The job execution that was carried out last: notifications repeat it.
        self._done: tuple[str, int] | None = None
        self._subscriptions = Subscriptions(self._connection, self._loop)
        self._token_exchange = TokenExchangeService(self._cloud, self._ipc.knows)
        self._host = Host(
            layout=layout,
            identity=self._identity,
            socket=self._runtime / "ipc.sock",
            ca_file=endpoint.ca_file,
            credentials_url="",
            interpreter=interpreter,
            camera_folder=camera_folder,
            admit=self._ipc.admit,
            status_changed=self._report_health,
            restart_seconds=restart_seconds,
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then stop what runs."""
        await self._ipc.start(self._host.socket)
        self._host = replace(self._host, credentials_url=await self._token_exchange.start())
        try:
            await asyncio.to_thread(self._connection.open)
            await self._resume()
            await asyncio.to_thread(self._listen)
            self._report_health()
            logger.info("joined %s, waits for deployments", self._identity.thing_group)
            worker = asyncio.create_task(self._work())
            await stop.wait()
            worker.cancel()
        finally:
            for component in self._deployed.running.values():
                await components.stop(component)
            await self._ipc.stop()
            await self._token_exchange.stop()
            await asyncio.to_thread(self._connection.close)
            shutil.rmtree(self._runtime, ignore_errors=True)

    def _listen(self) -> None:
        thing = self._identity.thing

        def take(_: str, message: dict[str, Any]) -> None:
            self._on_loop(self._jobs.put_nowait, message.get("execution") or {})

        self._connection.subscribe(next_job_topic(thing), take)
        self._connection.subscribe(f"{job_topic(thing, NEXT, 'get')}/accepted", take)
        self._ask_for_job().result()

    def _ask_for_job(self) -> Future[Any]:
        request = {
            "jobId": NEXT,
            "thingName": self._identity.thing,
            "includeJobDocument": True,
            "clientToken": "jobs",
        }
        topic = job_topic(self._identity.thing, NEXT, "get")
        return self._connection.publish(topic, json.dumps(request).encode())

    def _reconnected(self) -> None:
        """Report the health again, which the cloud may have lost, and get a missed deployment."""
        self._outage.end()
        self._done = None
        self._report_health()
        self._ask_for_job()

    def _on_loop(self, call: Callable[..., object], *arguments: object) -> None:
        # A connection may be lost while the device ends.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    async def _work(self) -> None:
        while True:
            execution = await self._jobs.get()
            # Only the newest word counts: what was superseded meanwhile is not begun.
            while not self._jobs.empty():
                execution = self._jobs.get_nowait()
            key = (execution.get("jobId", ""), execution.get("executionNumber", 1))
            if key == self._done or execution.get("status") not in {"QUEUED", "IN_PROGRESS"}:
                continue
            await self._carry_out(execution["jobId"], execution["jobDocument"])
            self._done = key

    async def _carry_out(self, job_id: str, document: dict[str, Any]) -> None:
        logger.info("deployment %s received", document.get("deploymentId"))
        await self._update_job(job_id, "IN_PROGRESS", {})
        failure, detail = await self._deploy(document)
        told = {"detailed-deployment-status": detail}
        if failure is None:
            self._save()
            logger.info("deployment succeeded")
        else:
            logger.error("deployment failed: %s", failure)
            told |= {
                "deployment-failure-cause": str(failure)[:_LONGEST_DETAIL],
                "deployment-error-stack": json.dumps(failure.error_stack),
                "deployment-error-types": json.dumps(failure.error_types),
            }
        self._report_health(outcome(document, detail, failure))
        await self._update_job(job_id, "FAILED" if failure else "SUCCEEDED", told)

    async def _deploy(self, document: dict[str, Any]) -> tuple[DeploymentFailed | None, str]:
        """Carry a deployment out; return why it failed, if it did, and the detailed status."""
        deployed = self._deployed
        before = dict(deployed.running)
        try:
            roots, wanted = await deploying.fetch(self._cloud, self._host, deployed, document)
        except Exception as error:  # noqa: BLE001 - a device goes on whatever a deployment brings
            return _in_words(error), "FAILED_NO_STATE_CHANGE"
        try:
            await deploying.switch(self._host, deployed.running, wanted)
        except Exception as error:  # noqa: BLE001 - as above
            detail = "FAILED_ROLLBACK_NOT_REQUESTED"
            if document.get("failureHandlingPolicy", "ROLLBACK") == "ROLLBACK":
                detail = await self._roll_back(before)
            return _in_words(error), detail
        deployed.roots, deployed.document = roots, document
        return None, "SUCCESSFUL"

    async def _roll_back(self, before: dict[str, Component]) -> str:
        try:
            await deploying.switch(self._host, self._deployed.running, before)
        except DeploymentFailed as error:
            logger.error("roll-back failed: %s", error)  # noqa: TRY400 - said once, in words
            return "FAILED_UNABLE_TO_ROLLBACK"
        logger.info("rolled back to what ran before")
        return "FAILED_ROLLBACK_COMPLETE"

    async def _resume(self) -> None:
        """Start what ran before the core was stopped, without the cloud's help."""
        try:
            saved = json.loads(self._layout.current.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        self._deployed.document = saved["deployment"]
        self._deployed.roots = saved.get("roots", {})
        target = {one["name"]: Component(**one) for one in saved["components"]}
        try:
            await deploying.switch(self._host, self._deployed.running, target)
        except DeploymentFailed as error:
            logger.error("not everything came back: %s", error)  # noqa: TRY400 - in words

    def _save(self) -> None:
        """Keep what runs; a power loss meanwhile leaves the previous record."""
        partial = self._layout.current.with_suffix(".partial")
        partial.write_text(json.dumps(self._deployed.to_json()), encoding="utf-8")
        partial.replace(self._layout.current)

    async def _publish(self, name: str, topic: str, payload: bytes, qos: int) -> None:
        self._authorize(PUBLISH, name, topic)
        await asyncio.wrap_future(self._connection.publish(topic, payload, qos))

    async def _subscribe(self, name: str, topic: str, _qos: int, deliver: Deliver) -> Cancel:
        self._authorize(SUBSCRIBE, name, topic)
        return await self._subscriptions.add(topic, deliver)

    def _authorize(self, operation: str, name: str, topic: str) -> None:
        component = self._deployed.running.get(name)
        nucleus = self._deployed.running.get(_NUCLEUS)
        # Nucleus lite, which is no component of a deployment, always does.
        interpolate = nucleus is None or bool(
            nucleus.configuration.get("interpolateComponentConfiguration")
        )
        if component is None or not is_allowed(
            operation,
            component.configuration,
            topic,
            thing=self._identity.thing,
            interpolate=interpolate,
        ):
            verb = "publish" if operation == PUBLISH else "subscribe"
            raise Refused(f"{name} is not authorized to {verb} to {topic}")

    async def _update_job(self, job_id: str, status: str, details: dict[str, str]) -> None:
        topic = job_topic(self._identity.thing, job_id, "update")
        message = json.dumps({"status": status, "statusDetails": details}).encode()
        await asyncio.wrap_future(self._connection.publish(topic, message))

    def _report_health(self, deployment: dict[str, Any] | None = None) -> None:
        """Send a fleet status message: all components, and a deployment's outcome."""
        self._sequence += 1
        deployed = self._deployed
        message = status_message(
            self._identity.thing, self._sequence, deployed.running.values(), deployed.document
        )
        if deployment is not None:
            message["deploymentInformation"] = deployment
        topic = f"$aws/things/{self._identity.thing}/greengrassv2/health/json"
        self._connection.publish(topic, json.dumps(message).encode())


def _in_words(error: Exception) -> DeploymentFailed:
    if isinstance(error, DeploymentFailed):
        return error
    logger.error("unexpected failure", exc_info=error)
    return DeploymentFailed(f"{type(error).__name__}: {error}")
