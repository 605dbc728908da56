"""The S3 endpoint of devices: `https://BUCKET.s3.REGION.amazonaws.com`, as on AWS."""

import asyncio
import ssl
from collections.abc import Sequence

from hypercorn.asyncio import serve  # type: ignore[import-not-found]  # not in this environment
from hypercorn.config import Config  # type: ignore[import-not-found]  # as above

from local_aws.devices.access import listening
from local_aws.gateway.request_filter import Application, Message, Receive, Send

_GRACE_SECONDS = 2


class S3Endpoint:
    """An HTTPS server in front of the request filter, which verifies the signatures."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._stop = asyncio.Event()
        self._serving: asyncio.Task[None] | None = None

    def start(self, context: ssl.SSLContext, addresses: Sequence[str], port: int) -> None:
        """Listen on the port on each address."""
        config = _Config(context)
        # hypercorn closes these sockets. The sockets accept connections from here on.
        config.bind = [f"fd://{listening(address, port).detach()}" for address in addresses]
        config.graceful_timeout = _GRACE_SECONDS
        config.accesslog = None
        # S3 does not offer HTTP/2.
        context.set_alpn_protocols(["http/1.1"])
        self._serving = asyncio.create_task(
            serve(self._respond, config, shutdown_trigger=self._stop.wait)
        )

    async def stop(self) -> None:
        """Stop the server, and wait until it has ended."""
        self._stop.set()
        if self._serving is not None:
            await self._serving

    async def _respond(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; lifespan events do not reach the application."""
        if scope["type"] != "lifespan":
            await self._application(scope, receive, send)
            return
        event = ""
        while event != "lifespan.shutdown":
            event = (await receive())["type"]
            await send({"type": f"{event}.complete"})


class _Config(Config):  # type: ignore[misc]  # the package is not in mypy's environment
    """Settings of hypercorn with a TLS context instead of key files."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__()
        self._context = context

    @property
    def ssl_enabled(self) -> bool:
        """Return True: the endpoint always uses TLS."""
        return True

    def create_ssl_context(self) -> ssl.SSLContext:
        """Return the TLS context of the endpoint."""
        return self._context
