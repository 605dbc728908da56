"""The composition of the emulator's services.

Import this module only after ministack's environment variables are set.
"""

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
from local_aws.gateway.request_filter import RequestFilter, loopback_listener, s3_listener
from local_aws.ministack_hooks import (
    access_keys,
    authorization,
    cloudformation_authorization,
    cloudwatch,
    custom_resources,
    delays,
    deletions,
    device_traffic,
    dropped_properties,
    exclusive_things,
    input_checks,
    job_namespaces,
    mqtt_broker,
    policy_elements,
    registration,
    resource_types,
    s3_authorization,
    s3_objects,
    sagemaker,
    shadows,
    stacks,
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
from local_aws.transcripts.traffic import Traffic, TrafficStream

_POLL_SECONDS = 0.05
_GRACE_SECONDS = 2


class EmulatorServices:
    """ministack with Greengrass V2, other services and the endpoints for devices."""

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
        registration.register_service("greengrass", greengrass.store, greengrass.respond)
        registration.register_role_aliases(aliases)
        self._sagemaker = SageMaker(sagemaker.SageMakerCloud(endpoint_url), paths.containers)
        sagemaker.register_sagemaker(self._sagemaker)
        _register_stored_resources()
        policy_elements.evaluate_all_elements()
        authorization.authorize_every_caller()
        s3_authorization.authorize_exact_keys()
        s3_authorization.require_permissions_of_keys()
        access_keys.disable_presigned_url_checks()
        access_keys.issue_role_sessions_to_functions()
        self._directory = access_keys.directory(root_key)
        self._traffic = Traffic()
        self._application = TrafficStream(registration.asgi_app, self._traffic)
        mqtt_broker.listen_to_broker(greengrass.devices.receive)
        device_traffic.report_mqtt(self._traffic)
        job_namespaces.support_job_namespaces()
        mqtt_broker.bind_broker(self._addresses)
        if device_access:
            mqtt_broker.certify_names([device_access.host, *aws_host_names()])
            mqtt_broker.describe_endpoints(device_access.host, device_access.https_port)
        exclusive_things.support_exclusive_things()
        s3_objects.complete_copies()
        self._writes = s3_objects.reject_unsaved_objects(paths.objects)
        _complete_cloudformation()
        topic_rules.complete_rule_actions()
        shadows.limit_shadows()
        cloudwatch.extract_embedded_metrics()
        cloudwatch.evaluate_alarms_as_aws()
        if delay_seconds:
            delays.delay_operations(delay_seconds)
        # The outermost handlers are registered last, so no other hook receives an invalid request.
        input_checks.check_inputs()
        self._devices = DeviceEndpoint(greengrass, aliases, cloud, self._traffic)
        self._s3: S3Endpoint | None = None

    def trace_authorization(self, file: Path) -> None:
        """Append each authorization decision to a JSON-lines file."""
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
        application = RequestFilter(self._application, listener, self._directory)
        await serve(application, config, shutdown_trigger=stop.wait)
        watching.cancel()

    async def start_device_endpoints(self, paths: StatePaths, ports: Ports) -> None:
        """Wait for the broker, write the CA certificate, and serve devices."""
        while not mqtt_broker.broker_is_listening():  # noqa: ASYNC110 - ministack provides no event
            await asyncio.sleep(_POLL_SECONDS)
        paths.ca.write_text(await asyncio.to_thread(mqtt_broker.ca_certificate))
        context = await asyncio.to_thread(mqtt_broker.device_tls_context, paths.root)
        await self._devices.start(context, self._addresses, ports.device)
        if self._access:
            listener = s3_listener(self._access.s3_port)
            self._s3 = S3Endpoint(RequestFilter(self._application, listener, self._directory))
            context = await asyncio.to_thread(mqtt_broker.server_tls_context, paths.root)
            self._s3.start(context, self._addresses, self._access.s3_port)

    async def stop_device_endpoints(self) -> None:
        """Stop the HTTPS and S3 endpoints of devices."""
        await self._devices.stop()
        if self._s3 is not None:
            await self._s3.stop()

    def take_snapshot(self) -> None:
        """Save the changes; a start after a kill continues from the last snapshot."""
        self._recorder.take_snapshot()

    def stop_workers(self) -> None:
        """Stop the containers of endpoints, and the processes that run Lambda functions."""
        self._sagemaker.endpoints.stop_all()
        registration.stop_lambda_workers()

    def state_was_saved(self) -> bool:
        """Return whether all writes of the state have succeeded."""
        return not (self._errors.occurred or self._writes.failed)


def _register_stored_resources() -> None:
    """Register the resource types that the emulator stores without further effects."""
    resource_types.register_auto_scaling(AutoScaling())
    resource_types.register_code_pipeline(CodePipeline())
    resource_types.store_code_signing_configs()


def _complete_cloudformation() -> None:
    stacks.long_poll_describe_stacks()
    stacks.name_log_groups_by_their_stacks()
    cloudformation_authorization.authorize_each_step()
    stacks.limit_templates()
    dropped_properties.apply_dropped_properties()
    deletions.retain_dependencies_of_failed_deletions()
    custom_resources.complete_custom_resources()


class _SaveErrors(logging.Handler):
    """A log handler that detects errors while saving, which ministack only logs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.occurred = False

    def emit(self, _record: logging.LogRecord) -> None:
        self.occurred = True
