"""The services of the embedded AWS, put together; import after the environment is set."""

import asyncio
import logging
import os
import socket

from hypercorn.asyncio import serve
from hypercorn.config import Config

from local_aws import ministack_hooks as hooks
from local_aws.device_endpoint import DeviceEndpoint
from local_aws.greengrass.service import Greengrass
from local_aws.paths import StatePaths
from local_aws.role_aliases import RoleAliases

_POLL_SECONDS = 0.05
_GRACE_SECONDS = 2


class EmbeddedAws:
    """ministack with Greengrass V2 and role aliases, and the endpoint for devices."""

    def __init__(self, endpoint_url: str) -> None:
        self.endpoint_url = endpoint_url
        self._errors = _SaveErrors()
        logging.getLogger("persistence").addHandler(self._errors)
        cloud = hooks.MinistackCloud(endpoint_url)
        aliases = RoleAliases()
        greengrass = Greengrass(cloud)
        hooks.register_service("greengrass", greengrass.store, greengrass.answer)
        hooks.register_role_aliases(aliases)
        hooks.listen_to_broker(greengrass.devices.hear)
        hooks.bind_broker_to_loopback()
        self._devices = DeviceEndpoint(greengrass, aliases, cloud)

    async def serve(self, gateway: socket.socket, stop: asyncio.Event) -> None:
        """Serve the AWS APIs on a bound socket until ``stop``, then save the state."""
        config = Config()
        config.bind = [f"fd://{os.dup(gateway.fileno())}"]
        config.keep_alive_timeout = 75
        config.graceful_timeout = _GRACE_SECONDS
        config.accesslog = None
        await serve(hooks.asgi_app, config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]

    async def start_device_endpoint(self, paths: StatePaths) -> int:
        """Wait for the broker, write the authority's certificate, and give the devices' port."""
        while not hooks.broker_is_listening():
            await asyncio.sleep(_POLL_SECONDS)
        paths.ca.write_text(await asyncio.to_thread(hooks.ca_certificate))
        context = await asyncio.to_thread(hooks.server_tls_context, paths.root)
        return await self._devices.start(context)

    async def stop_device_endpoint(self) -> None:
        """Stop answering devices."""
        await self._devices.stop()

    def stop_lambda_workers(self) -> None:
        """End the processes that run Lambda functions."""
        hooks.stop_lambda_workers()

    def state_was_saved(self) -> bool:
        """Tell whether every service's state was written."""
        return not self._errors.seen


class _SaveErrors(logging.Handler):
    """Remembers that ministack, which only logs it, could not save something."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen = False

    def emit(self, _record: logging.LogRecord) -> None:
        self.seen = True
