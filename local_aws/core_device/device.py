"""The core device: receives and runs deployments, and reports its components."""

import asyncio
import contextlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from awscrt.exceptions import AwsCrtError

from local_aws.core_device import artifact_store, deployment, lifecycle
from local_aws.core_device.classic import Classic
from local_aws.core_device.component import Host, InstalledComponent
from local_aws.core_device.connection import Connection, OutageLog
from local_aws.core_device.data_plane import DataPlane
from local_aws.core_device.deployment import DeployedComponents, Document
from local_aws.core_device.errors import DeploymentFailed
from local_aws.core_device.health import HealthReporter, outcome
from local_aws.core_device.ipc import Cancel, Deliver, IpcServer, Unauthorized
from local_aws.core_device.jobs import JobQueue
from local_aws.core_device.layout import Layout
from local_aws.core_device.lite import Lite
from local_aws.core_device.mqtt_proxy import PUBLISH, SUBSCRIBE, Subscriptions, is_allowed
from local_aws.core_device.nucleus import Kind, Nucleus, Pauses
from local_aws.core_device.thing_deployments import ShadowQueue
from local_aws.core_device.token_exchange import TokenExchangeService
from local_aws.process.endpoint import Endpoint

logger = logging.getLogger(__name__)

NUCLEI: dict[Kind, Nucleus] = {"classic": Classic(), "lite": Lite()}
_NUCLEUS = "aws.greengrass.Nucleus"


class CoreDevice:
    """A virtual core device with the nucleus that its identity specifies."""

    def __init__(
        self,
        endpoint: Endpoint,
        layout: Layout,
        interpreter: Path,
        camera_folder: Path | None,
        *,
        pauses: Pauses | None = None,
    ) -> None:
        """Read the identity; `pauses` replaces the delays of the nucleus.

        Raises:
            NotProvisioned: the device has no identity.
        """
        self._layout = layout
        self._identity = layout.read_identity()
        self._nucleus = NUCLEI[self._identity.core_runtime]
        self._pauses = pauses or self._nucleus.pauses
        self._cloud = DataPlane(endpoint, layout, self._identity, self._nucleus)
        self._loop = asyncio.get_running_loop()
        self._outage = OutageLog(self._loop, f"{endpoint.mqtt_host}:{endpoint.mqtt_port}")
        thing = self._identity.thing
        self._connection = Connection(
            endpoint,
            layout,
            thing,
            lost=lambda reason: self._on_loop(self._outage.begin, reason),
            back=lambda: self._on_loop(self._reconnected),
            version=self._nucleus.mqtt_version,
        )
        self._ipc = IpcServer(self._publish, self._subscribe)
        self._jobs = JobQueue(self._connection, thing, self._nucleus, self._on_loop)
        self._shadow = ShadowQueue(self._connection, thing, self._nucleus, self._on_loop)
        # Deployments from jobs and from the shadow share a lock, because the device runs only one
        # deployment at a time.
        self._deployment_lock = asyncio.Lock()
        self._deployed = DeployedComponents()
        self._health = HealthReporter(
            self._nucleus,
            thing,
            layout.health_sequence,
            self._deployed.running,
            self._deployed.origin,
            lambda payload: self._connection.publish(
                f"$aws/things/{thing}/greengrassv2/health/json", payload, self._nucleus.health_qos
            ),
            self._pauses.health_seconds,
        )
        # The path of a Unix socket has at most 107 characters, so the folder must have a short
        # path.
        self._runtime = Path(tempfile.mkdtemp(prefix="core-"))
        self._subscriptions = Subscriptions(self._connection, self._loop)
        self._token_exchange = TokenExchangeService(self._cloud, self._ipc.is_admitted)
        self._host = Host(
            nucleus=self._nucleus,
            pauses=self._pauses,
            layout=layout,
            identity=self._identity,
            sockets=self._runtime,
            ca_file=endpoint.ca_file,
            credentials_url="",
            interpreter=interpreter,
            camera_folder=camera_folder,
            running=self._deployed.running,
            admit=self._ipc.admit,
            status_changed=self._health.status_changed,
            removed=self._health.removed,
            launched=lambda: self._health.report_all("NUCLEUS_LAUNCH"),
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Run the device until `stop` is set or an error occurs, then stop all components."""
        await self._ipc.start(self._host.ipc_socket)
        self._host = replace(self._host, credentials_url=await self._token_exchange.start())
        try:
            serving = asyncio.create_task(self._serve())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                stopping.cancel()
                serving.result()
            serving.cancel()
            # A cancelled deployment must end the process of its step before the event loop ends.
            await asyncio.gather(serving, return_exceptions=True)
        finally:
            self._health.close()
            for component in self._deployed.running.values():
                await lifecycle.stop(component, self._host)
            await self._ipc.stop()
            await self._token_exchange.stop()
            await asyncio.to_thread(self._connection.close)
            shutil.rmtree(self._runtime, ignore_errors=True)

    async def _serve(self) -> None:
        """Start the recorded components, then run deployments until the task is cancelled."""
        await asyncio.to_thread(self._connection.open)
        await self._resume()
        await asyncio.to_thread(self._jobs.listen)
        await asyncio.to_thread(self._shadow.listen)
        self._health.report_all("NUCLEUS_LAUNCH")
        logger.info("joined %s, waits for deployments", self._identity.thing_group)
        try:
            async with asyncio.TaskGroup() as tasks:
                for work in (self._work(), self._work_on_shadow(), self._report_daily()):
                    tasks.create_task(work)
        except ExceptionGroup as group:
            # The first error, for example a full disk, ends the core. Only this error is reported.
            raise group.exceptions[0] from None

    def _reconnected(self) -> None:
        """Report changed components, and request deployments missed during the outage."""
        self._outage.end()
        self._health.report_changes("RECONNECT")
        self._jobs.reconnected()
        self._shadow.reconnected()

    def _on_loop(self, call: Callable[..., object], *arguments: object) -> None:
        # The loop may be closed if the connection is lost while the device stops.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)

    async def _work(self) -> None:
        while True:
            job = await self._jobs.next()
            # If the report of a job is lost, the device receives the job again after it reconnects.
            with _lost_reports():
                await self._jobs.began(job)
                result, details = await self._carry_out(job.document, "THING_GROUP_DEPLOYMENT")
                await self._jobs.ended(job, result, details)

    async def _work_on_shadow(self) -> None:
        while True:
            document = await self._shadow.next()
            with _lost_reports():
                await self._shadow.report(document, "IN_PROGRESS", {})
            result, details = await self._carry_out(document, "THING_DEPLOYMENT")
            with _lost_reports():
                await self._shadow.report(document, result, details)

    async def _report_daily(self) -> None:
        while True:
            await asyncio.sleep(self._pauses.cadence_seconds)
            self._health.report_all("CADENCE")

    async def _carry_out(self, document: Document, trigger: str) -> tuple[str, dict[str, str]]:
        """Run and report a deployment; return its status and the details for a job."""
        async with self._deployment_lock:
            return await self._carry_out_alone(document, trigger)

    async def _carry_out_alone(
        self, document: Document, trigger: str
    ) -> tuple[str, dict[str, str]]:
        logger.info("deployment %s received", document.get("deploymentId"))
        self._health.is_deploying = True
        failure, detail = await self._deploy(document)
        details = {"detailed-deployment-status": detail}
        if failure is None:
            self._record()
            self._remove_old_versions()
            logger.info("deployment succeeded")
        else:
            logger.error("deployment failed: %s", failure)
            details |= {
                "deployment-failure-cause": str(failure),
                "deployment-error-stack": json.dumps(failure.error_stack),
                "deployment-error-types": json.dumps(failure.error_types),
            }
        self._health.report_deployment(
            outcome(self._nucleus, document, detail, failure),
            sorted(document["components"]) if failure is None else [],
            trigger,
        )
        return "FAILED" if failure else "SUCCEEDED", details

    async def _deploy(self, document: Document) -> tuple[DeploymentFailed | None, str]:
        """Run a deployment; return the failure, if any, and the detailed status."""
        deployed = self._deployed
        before = deployment.snapshot(deployed.running)
        try:
            roots, desired = await deployment.fetch(self._cloud, self._host, deployed, document)
        except Exception as error:  # noqa: BLE001 - a failed deployment must not end the device
            return _as_failure(error), self._nucleus.failure_status(changed=False)
        configured = {
            name for name, root in document["components"].items() if "configurationUpdate" in root
        }
        try:
            await deployment.switch(self._host, desired, configured)
        except Exception as error:  # noqa: BLE001 - a failed deployment must not end the device
            failure = _as_failure(error)
            if self._nucleus.rolls_back(document):
                return failure, await self._roll_back(before)
            self._record()
            return failure, self._nucleus.failure_status(changed=True)
        deployed.roots = roots
        target = deployment.target_of(document)
        deployed.arns = {
            **{name: arn for name, arn in deployed.arns.items() if name in roots},
            target: document["configurationArn"],
        }
        return None, "SUCCESSFUL"

    async def _roll_back(self, before: dict[str, InstalledComponent]) -> str:
        try:
            await deployment.switch(self._host, before)
        except Exception as error:  # noqa: BLE001 - a failed rollback must not end the device
            logger.error("rollback failed: %s", _as_failure(error))  # noqa: TRY400 - the cause is logged
            return "FAILED_UNABLE_TO_ROLLBACK"
        logger.info("rolled back to the previous components")
        return "FAILED_ROLLBACK_COMPLETE"

    async def _resume(self) -> None:
        """Start the components of the last deployment, without requests to the cloud."""
        try:
            components = self._deployed.restore(json.loads(self._layout.current.read_bytes()))
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.warning(
                "%s cannot be read, so no component starts before the next deployment: %s: %s",
                self._layout.current, type(error).__name__, error,
            )  # fmt: skip
            return
        await deployment.resume(self._host, components)

    def _record(self) -> None:
        """Write the components to the record for the next start, atomically."""
        partial = self._layout.current.with_suffix(".partial")
        partial.write_text(json.dumps(self._deployed.to_json()), encoding="utf-8")
        partial.replace(self._layout.current)

    def _remove_old_versions(self) -> None:
        layout = self._layout
        artifact_store.remove_old_versions(
            layout.recipes,
            layout.stored_versions,
            {name: component.version for name, component in self._deployed.running.items()},
            self._nucleus.parse_recipe_file,
        )

    async def _publish(self, name: str, topic: str, payload: bytes, qos: int) -> None:
        self._authorize(PUBLISH, name, topic)
        await asyncio.wrap_future(self._connection.publish(topic, payload, qos))

    async def _subscribe(self, name: str, topic: str, _qos: int, deliver: Deliver) -> Cancel:
        self._authorize(SUBSCRIBE, name, topic)
        return await self._subscriptions.add(topic, deliver)

    def _authorize(self, operation: str, name: str, topic: str) -> None:
        component = self._deployed.running.get(name)
        if component is None or not is_allowed(
            operation,
            component.configuration,
            topic,
            thing=self._identity.thing,
            interpolate=self._interpolates(),
            matches=self._nucleus.matches,
        ):
            verb = "publish" if operation == PUBLISH else "subscribe"
            raise Unauthorized(f"{name} is not authorized to {verb} to {topic}")

    def _interpolates(self) -> bool:
        if not self._nucleus.interpolation_is_optional:
            return True
        nucleus: Any = self._deployed.running.get(_NUCLEUS)
        return bool(nucleus and nucleus.configuration.get("interpolateComponentConfiguration"))


@contextlib.contextmanager
def _lost_reports() -> Iterator[None]:
    """Log the error of a status report that did not reach the cloud, and suppress the error."""
    try:
        yield
    except AwsCrtError as error:
        logger.warning("the status of a deployment was not reported: %s", error)


def _as_failure(error: Exception) -> DeploymentFailed:
    if isinstance(error, DeploymentFailed):
        return error
    logger.error("unexpected failure", exc_info=error)
    return DeploymentFailed(f"{type(error).__name__}: {error}")
