"""The core device itself: takes IoT jobs, carries out deployments, reports what it runs."""

import asyncio
import json
import logging
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from local_aws.core_device import components, store
from local_aws.core_device.access_control import may_publish
from local_aws.core_device.cloud import DeviceCloud, architecture
from local_aws.core_device.components import GGC_VERSION, Component, Host
from local_aws.core_device.configuration import updated
from local_aws.core_device.connection import Connection
from local_aws.core_device.errors import DeploymentFailed
from local_aws.core_device.ipc import IpcServer, Refused
from local_aws.core_device.layout import Layout
from local_aws.core_device.token_exchange import TokenExchangeService
from local_aws.endpoint import Endpoint

logger = logging.getLogger(__name__)

_NUCLEUS = "aws.greengrass.Nucleus"


class CoreDevice:
    """One virtual core device."""

    def __init__(
        self, endpoint: Endpoint, layout: Layout, interpreter: Path, camera_folder: Path | None
    ) -> None:
        """Raise `NotProvisioned` if the device has no identity."""
        self._layout = layout
        self._identity = layout.read_identity()
        self._cloud = DeviceCloud(endpoint, layout, self._identity)
        self._connection = Connection(endpoint, layout, self._identity.thing)
        self._ipc = IpcServer(self._publish)
        self._jobs: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._running: dict[str, Component] = {}
        self._deployment: dict[str, Any] = {}
        self._sequence = int(time.time() * 1000)
        # A Unix socket's path has at most 107 characters.
        self._runtime = Path(tempfile.mkdtemp(prefix="core-"))
        self._loop = asyncio.get_running_loop()
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
            for component in self._running.values():
                await components.stop(component)
            await self._ipc.stop()
            await self._token_exchange.stop()
            await asyncio.to_thread(self._connection.close)
            shutil.rmtree(self._runtime, ignore_errors=True)

    def _listen(self) -> None:
        base = f"$aws/things/{self._identity.thing}/jobs"

        def take(_: str, message: dict[str, Any]) -> None:
            if message.get("execution"):
                self._loop.call_soon_threadsafe(self._jobs.put_nowait, message["execution"])

        self._connection.subscribe(f"{base}/notify-next", take)
        self._connection.subscribe(f"{base}/$next/get/accepted", take)
        self._connection.publish(f"{base}/$next/get", b"{}").result()

    async def _work(self) -> None:
        done: tuple[str, int] | None = None
        while True:
            execution = await self._jobs.get()
            key = (execution["jobId"], execution.get("executionNumber", 1))
            if key == done or execution.get("status") not in ("QUEUED", "IN_PROGRESS"):
                continue
            await self._carry_out(execution["jobId"], execution["jobDocument"])
            done = key

    async def _carry_out(self, job_id: str, document: dict[str, Any]) -> None:
        logger.info("deployment %s received", document.get("deploymentId"))
        await self._update_job(job_id, "IN_PROGRESS", {})
        before = dict(self._running)
        try:
            await self._deploy(document)
        except Exception as error:  # a device goes on whatever a deployment brings
            if not isinstance(error, DeploymentFailed):
                logger.exception("unexpected failure")
            logger.error("deployment failed: %s", error)  # noqa: TRY400 - said once, in words
            detail = "FAILED_ROLLBACK_NOT_REQUESTED"
            if document.get("failureHandlingPolicy", "ROLLBACK") == "ROLLBACK":
                detail = await self._roll_back(before)
            self._report_health(document, error=str(error), detail=detail)
            await self._update_job(
                job_id,
                "FAILED",
                {
                    "detailed-deployment-status": detail,
                    "deployment-failure-cause": str(error)[:1000],
                },
            )
        else:
            self._deployment = document
            self._save()
            self._report_health(document)
            await self._update_job(
                job_id, "SUCCEEDED", {"detailed-deployment-status": "SUCCESSFUL"}
            )
            logger.info("deployment succeeded")

    async def _deploy(self, document: dict[str, Any]) -> None:
        wanted = document["components"]
        recipes = await asyncio.to_thread(
            self._cloud.resolve, {name: one["version"] for name, one in wanted.items()}
        )
        target = {
            recipe["ComponentName"]: await self._install(recipe, wanted) for recipe in recipes
        }
        await self._switch(target)

    async def _install(self, recipe: dict[str, Any], wanted: dict[str, Any]) -> Component:
        name, version = recipe["ComponentName"], recipe["ComponentVersion"]
        folder = self._layout.artifacts(name, version)
        for manifest in recipe.get("Manifests", [])[:1]:
            for artifact in manifest.get("Artifacts", []):
                file = await asyncio.to_thread(
                    store.fetch,
                    artifact,
                    folder,
                    self._layout.unarchived(name, version),
                    lambda uri: self._cloud.open_artifact(recipe["arn"], uri),
                )
                logger.info("%s %s: %s, digest ok", name, version, file.name)
        known = self._running.get(name)
        defaults = recipe.get("ComponentConfiguration", {}).get("DefaultConfiguration", {})
        update = wanted.get(name, {}).get("configurationUpdate", {})
        current = known.configuration if known and known.version == version else None
        component = Component(name, version, recipe, updated(defaults, current, update))
        if not component.same_as(known):
            await components.install(component)
        path = self._layout.recipe(name, version)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(recipe, indent=1), encoding="utf-8")
        return component

    async def _switch(self, target: dict[str, Component]) -> None:
        """Stop what goes or changes, start what is new; keep the rest running."""
        changed = {
            name
            for name, component in target.items()
            if not component.same_as(self._running.get(name))
        }
        # A hard dependency that changes restarts what depends on it.
        for name, component in target.items():
            dependencies = component.recipe.get("ComponentDependencies", {})
            if any(
                other in changed and rule.get("DependencyType", "HARD") == "HARD"
                for other, rule in dependencies.items()
            ):
                changed.add(name)
        for name, component in list(self._running.items()):
            if name not in target or name in changed:
                await components.stop(component)
                del self._running[name]
                logger.info("stopped %s %s", name, component.version)
        # Functions last: what they depend on is there by then.
        for name in sorted(changed, key=lambda one: (target[one].is_lambda, one)):
            component = target[name]
            self._running[name] = component
            await components.start(component, self._host, target)
            if component.is_lambda:
                logger.info("started %s %s", name, component.version)

    async def _roll_back(self, before: dict[str, Component]) -> str:
        try:
            await self._switch(before)
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
        self._deployment = saved["deployment"]
        target = {one["name"]: Component(**one) for one in saved["components"]}
        try:
            await self._switch(target)
        except DeploymentFailed as error:
            logger.error("not everything came back: %s", error)  # noqa: TRY400 - in words

    def _save(self) -> None:
        saved = {
            "deployment": self._deployment,
            "components": [
                {
                    "name": one.name,
                    "version": one.version,
                    "recipe": one.recipe,
                    "configuration": one.configuration,
                }
                for one in self._running.values()
            ],
        }
        self._layout.current.write_text(json.dumps(saved), encoding="utf-8")

    async def _publish(self, name: str, topic: str, payload: bytes, qos: int) -> None:
        component = self._running.get(name)
        nucleus = self._running.get(_NUCLEUS)
        interpolate = bool(
            nucleus and nucleus.configuration.get("interpolateComponentConfiguration")
        )
        if component is None or not may_publish(
            component.configuration, topic, thing=self._identity.thing, interpolate=interpolate
        ):
            raise Refused(f"{name} is not authorized to publish to {topic}")
        await asyncio.wrap_future(self._connection.publish(topic, payload, qos))

    async def _update_job(self, job_id: str, status: str, details: dict[str, str]) -> None:
        topic = f"$aws/things/{self._identity.thing}/jobs/{job_id}/update"
        message = json.dumps({"status": status, "statusDetails": details}).encode()
        await asyncio.wrap_future(self._connection.publish(topic, message))

    def _report_health(
        self, document: dict[str, Any] | None = None, *, error: str = "", detail: str = "SUCCESSFUL"
    ) -> None:
        """Send a fleet status message: all components, and a deployment's outcome."""
        self._sequence += 1
        arn = (document or self._deployment).get("configurationArn", "")
        roots = set((document or self._deployment).get("components", {}))
        broken = [one for one in self._running.values() if one.status in ("ERRORED", "BROKEN")]
        message: dict[str, Any] = {
            "ggcVersion": GGC_VERSION,
            "platform": "linux",
            "architecture": architecture(),
            "runtime": "aws_nucleus_classic",
            "thing": self._identity.thing,
            "overallDeviceStatus": "UNHEALTHY" if broken else "HEALTHY",
            "sequenceNumber": self._sequence,
            "timestamp": int(time.time() * 1000),
            "messageType": "COMPLETE",
            "components": [
                {
                    "componentName": one.name,
                    "version": one.version,
                    "fleetConfigArns": [arn] if arn else [],
                    "isRoot": one.name in roots,
                    "status": one.status,
                    "statusDetails": {"statusCodes": [], "statusReason": one.reason},
                }
                for one in self._running.values()
            ],
        }
        if document is not None:
            message["deploymentInformation"] = {
                "status": "FAILED" if error else "SUCCEEDED",
                "fleetConfigurationArnForStatus": arn,
                "statusDetails": {
                    "detailedStatus": detail,
                    "errorStack": ["DEPLOYMENT_FAILURE"] if error else [],
                    "errorTypes": ["COMPONENT_ERROR"] if error else [],
                    "failureCause": error,
                },
            }
        topic = f"$aws/things/{self._identity.thing}/greengrassv2/health/json"
        self._connection.publish(topic, json.dumps(message).encode())
