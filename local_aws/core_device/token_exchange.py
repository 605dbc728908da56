"""The token exchange service: AWS credentials for components, on loopback.

Source: AWS IoT Greengrass V2 Developer Guide, "Token exchange service". AWS SDKs request the
credentials from AWS_CONTAINER_CREDENTIALS_FULL_URI.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from local_aws.core_device.data_plane import DataPlane
from local_aws.core_device.errors import DeploymentFailed
from local_aws.devices.connection_log import CONNECTIONS

_PATH = "/2016-11-01/credentialprovider/"


class TokenExchangeService:
    """A server of the device's temporary credentials; components authenticate with their token."""

    def __init__(self, cloud: DataPlane, is_component: Callable[[str], bool]) -> None:
        """Set up the service; `is_component(token)` returns whether a component has the token."""
        self._cloud = cloud
        self._is_component = is_component
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """Listen on a free loopback port; return the URL for components."""
        application = web.Application()
        application.router.add_get(_PATH, self._respond)
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=1, logger=CONNECTIONS
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        port = self._runner.addresses[0][1]
        return f"http://127.0.0.1:{port}{_PATH}"

    async def stop(self) -> None:
        """Stop listening and close the server."""
        if self._runner:
            await self._runner.cleanup()

    async def _respond(self, request: web.Request) -> web.Response:
        if not self._is_component(request.headers.get("Authorization", "")):
            return web.json_response({"message": "not a component of this core"}, status=403)
        try:
            credentials = await asyncio.to_thread(self._cloud.credentials)
        except DeploymentFailed as error:
            return web.json_response({"message": str(error)}, status=500)
        return web.json_response(
            {
                "AccessKeyId": credentials["accessKeyId"],
                "SecretAccessKey": credentials["secretAccessKey"],
                "Token": credentials["sessionToken"],
                "Expiration": credentials["expiration"],
            }
        )
