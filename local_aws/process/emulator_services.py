"""The services of the emulator, put together; import after the environment is set."""

import asyncio
import logging
import os
import socket
from pathlib import Path

from hypercorn.asyncio import serve  # type: ignore[import-not-found]  # not in this environment
from hypercorn.config import Config  # type: ignore[import-not-found]  # as above

from local_aws.authorization.trace import Trace
from local_aws.devices.access import DeviceAccess, aws_host_names
from local_aws.devices.https_endpoint import DeviceEndpoint
from local_aws.devices.s3_endpoint import S3Endpoint
from local_aws.gateway.request_filter import Gate, loopback_listener, s3_listener
from local_aws.ministack_hooks import (
    access_keys,
    authorization,
    auto_scaling,
    cloudformation_authorization,
    cloudwatch,
    code_pipeline,
    code_signing,
    custom_resources,
    delays,
    deletions,
    device_traffic,
    dropped_properties,
    encrypted_objects,
    exclusive_things,
    input_checks,
    job_namespaces,
    mqtt_broker,
    names,
    policy_elements,
    registration,
    s3_authorization,
    s3_copies,
    s3_objects,
    sagemaker,
    shadows,
    stacks,
    templates,
    topic_rules,
)
from local_aws.ministack_hooks.cloud import MinistackCloud
from local_aws.process.ports import LOOPBACK, Ports
from local_aws.services.auto_scaling import AutoScaling
from local_aws.services.code_pipeline import CodePipeline
from local_aws.services.greengrass.service import Greengrass
from local_aws.services.role_aliases import RoleAliases
from local_aws.services.sagemaker.service import SageMaker
from local_aws.state.paths import StatePaths
from local_aws.state.recorder import Recorder
from local_aws.transcripts.stream import TrafficStream
from local_aws.transcripts.traffic import Traffic

_POLL_SECONDS = 0.05
_GRACE_SECONDS = 2


class EmulatorServices:
    """ministack with Greengrass V2 and role aliases, and the endpoint for devices."""

    def __init__(
        self,
        endpoint_url: str,
        paths: StatePaths,
        root_key: str,
        *,
        delay_seconds: float,
        device_access: DeviceAccess | None,
    ) -> None:
        self.endpoint_url = endpoint_url
        self._access = device_access
        self._addresses = device_access.addresses if device_access else (LOOPBACK,)
        self._errors = _SaveErrors()
        self._recorder = Recorder(paths)
        logging.getLogger("persistence").addHandler(self._errors)
        cloud = MinistackCloud(endpoint_url)
        aliases = RoleAliases()
        greengrass = Greengrass(cloud, delay_seconds)
        registration.register_service("greengrass", greengrass.store, greengrass.answer)
        registration.register_role_aliases(aliases)
        self._sagemaker = SageMaker(sagemaker.SageMakerCloud(endpoint_url), paths.containers)
        sagemaker.register_sagemaker(self._sagemaker)
        _register_stored_resources()
        policy_elements.evaluate_all_elements()
        authorization.authorize_every_caller()
        s3_authorization.authorize_exact_keys()
        encrypted_objects.require_rights_on_keys()
        access_keys.leave_signatures_to_the_gate()
        access_keys.give_functions_sessions_of_their_roles()
        self._directory = access_keys.directory(root_key)
        self._traffic = Traffic()
        self._application = TrafficStream(registration.asgi_app, self._traffic)
        mqtt_broker.listen_to_broker(greengrass.devices.hear)
        device_traffic.report_mqtt(self._traffic)
        job_namespaces.support_job_namespaces()
        mqtt_broker.bind_broker(self._addresses)
        if device_access:
            mqtt_broker.certify_names([device_access.host, *aws_host_names()])
            mqtt_broker.describe_endpoints(device_access.host, device_access.https_port)
        exclusive_things.support_exclusive_things()
        s3_copies.complete_copies()
        self._writes = s3_objects.refuse_unsaved_objects(paths.objects)
        _complete_cloudformation()
        topic_rules.complete_rule_actions()
        shadows.limit_shadows()
        cloudwatch.extract_embedded_metrics()
        cloudwatch.evaluate_alarms_as_aws()
        if delay_seconds:
            delays.delay_operations(delay_seconds)
        # The outermost handlers: no other hook receives an invalid request.
        input_checks.check_inputs()
        self._devices = DeviceEndpoint(greengrass, aliases, cloud, self._traffic)
        self._s3: S3Endpoint | None = None

    def trace_authorization(self, file: Path) -> None:
        """Append every authorization decision to a JSON-lines file."""
        authorization.trace_decisions(Trace(file))

    async def serve(self, gateway: socket.socket, stop: asyncio.Event) -> None:
        """Serve the AWS APIs on a bound socket until ``stop``, then save the state."""
        config = Config()
        config.bind = [f"fd://{os.dup(gateway.fileno())}"]
        config.keep_alive_timeout = 75
        config.graceful_timeout = _GRACE_SECONDS
        config.accesslog = None
        watching = asyncio.create_task(cloudwatch.watch_alarms())
        listener = loopback_listener(gateway.getsockname()[1])
        gate = Gate(self._application, listener, self._directory)
        await serve(gate, config, shutdown_trigger=stop.wait)
        watching.cancel()

    async def start_device_endpoints(self, paths: StatePaths, ports: Ports) -> None:
        """Wait for the broker, write the authority's certificate, and serve devices."""
        while not mqtt_broker.broker_is_listening():  # noqa: ASYNC110 - ministack signals nothing
            await asyncio.sleep(_POLL_SECONDS)
        paths.ca.write_text(await asyncio.to_thread(mqtt_broker.ca_certificate))
        context = await asyncio.to_thread(mqtt_broker.device_tls_context, paths.root)
        await self._devices.start(context, self._addresses, ports.device)
        if self._access:
            listener = s3_listener(self._access.s3_port)
            self._s3 = S3Endpoint(Gate(self._application, listener, self._directory))
            context = await asyncio.to_thread(mqtt_broker.server_tls_context, paths.root)
            self._s3.start(context, self._addresses, self._access.s3_port)

    async def stop_device_endpoints(self) -> None:
        """Stop answering devices."""
        await self._devices.stop()
        if self._s3 is not None:
            await self._s3.stop()

    def take_snapshot(self) -> None:
        """Save what has changed, for a start after a kill."""
        self._recorder.take_snapshot()

    def stop_workers(self) -> None:
        """End the processes that run Lambda functions and endpoints' containers."""
        self._sagemaker.endpoints.stop_all()
        registration.stop_lambda_workers()

    def state_was_saved(self) -> bool:
        """Tell whether every service's state was written."""
        return not (self._errors.seen or self._writes.failed)


def _register_stored_resources() -> None:
    """Add the services whose resources are stored only."""
    auto_scaling.register_auto_scaling(AutoScaling())
    code_pipeline.register_code_pipeline(CodePipeline())
    code_signing.store_code_signing_configs()


def _complete_cloudformation() -> None:
    stacks.answer_at_the_end()
    names.name_log_groups_by_their_stacks()
    cloudformation_authorization.authorize_each_step()
    templates.limit_templates()
    dropped_properties.apply_dropped_properties()
    deletions.keep_what_failed_resources_need()
    custom_resources.complete_custom_resources()


class _SaveErrors(logging.Handler):
    """Remembers that ministack, which only logs it, could not save something."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen = False

    def emit(self, _record: logging.LogRecord) -> None:
        self.seen = True
