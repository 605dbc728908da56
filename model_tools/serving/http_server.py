"""Run HTTP servers on loopback or another address until SIGTERM or Ctrl-C."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address

from aiohttp import web

from model_tools.errors import ServingError
from model_tools.serving.http_types import RequestError, Response

LOG = logging.getLogger(__name__)
CONNECTIONS = logging.getLogger(f"{__name__}.connections")

LOOPBACK = "127.0.0.1"
# The default maximum size of a request body.
LARGEST_BYTES = 256 << 20
# The maximum number of concurrent requests of a listener; further requests wait.
_THREADS = 64

_HTTP_PORT = 80

# A function that handles a request. Its arguments: method, path, headers with lower-case names, and
# body.
Handle = Callable[[str, str, Mapping[str, str], bytes], Response]


@dataclass(frozen=True)
class Listener:
    """An address to listen on, the handler of requests, and the limits of requests."""

    handle: Handle
    port: int
    host: str = LOOPBACK
    largest_bytes: int = LARGEST_BYTES
    # True to accept any `Host`, because the host names of SageMaker's containers are not known in
    # advance.
    any_host: bool = False
    # The time after which a request receives status 504; None disables the limit.
    timeout_seconds: float | None = None
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS))

    @property
    def is_local(self) -> bool:
        """True if only this machine can connect to the server."""
        return self.host == "localhost" or _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def serve(listeners: list[Listener], ready: Callable[[list[int]], None]) -> None:
    """Serve until SIGTERM or Ctrl-C, and call `ready` with the ports when requests are accepted.

    Raises:
        ServingError: the server cannot listen on an address; for example, its port is in use.
    """
    asyncio.run(_serve(listeners, ready))


def end_process() -> None:
    """End the process immediately with exit code 0, because a model's thread cannot be stopped."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _serve(listeners: list[Listener], ready: Callable[[list[int]], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with AsyncExitStack() as stack:
        ports = []
        for listener in listeners:
            runner = _runner(listener)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            try:
                await web.TCPSite(runner, listener.host, listener.port).start()
            except OSError as error:
                reason = os.strerror(error.errno or 0)
                raise ServingError(
                    f"the server cannot listen on {listener.host}:{listener.port}: {reason}; "
                    "--port 0 selects a free port"
                ) from None
            ports.append(runner.addresses[0][1])
        ready(ports)
        await ended.wait()


def _runner(listener: Listener) -> web.AppRunner:
    return web.AppRunner(
        _application(listener), access_log=None, shutdown_timeout=1, logger=CONNECTIONS
    )


def _application(listener: Listener) -> web.Application:
    async def respond(request: web.Request) -> web.Response:
        if rejection := _rejection(listener, request):
            return _response(rejection.as_response())
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _response(too_large(listener.largest_bytes).as_response())
        except (ConnectionError, web.RequestPayloadError) as error:
            # The client disconnected early, or the body does not match its headers.
            return _response(RequestError(400, f"unreadable body: {error}").as_response())
        headers = {name.lower(): value for name, value in request.headers.items()}
        work = asyncio.get_running_loop().run_in_executor(
            listener.pool, listener.handle, request.method, request.path, headers, body
        )
        try:
            async with asyncio.timeout(listener.timeout_seconds):
                return _response(await work)
        except TimeoutError:
            message = f"no response within {listener.timeout_seconds:g} seconds"
            return _response(RequestError(504, message).as_response())
        except Exception as error:
            LOG.exception("%s %s", request.method, request.path)
            return _response(RequestError(500, f"{type(error).__name__}: {error}").as_response())

    application = web.Application(client_max_size=listener.largest_bytes)
    application.router.add_route("*", "/{path:.*}", respond)
    return application


def _rejection(listener: Listener, request: web.Request) -> RequestError | None:
    """Return the error of a request from a page of another site, or None for other requests.

    A request from a page of another origin has another `Origin`. If the page's name was rebound to
    loopback (DNS rebinding), `Host` contains that name.
    """
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    port = request.transport.get_extra_info("sockname")[1] if request.transport else listener.port
    names = (LOOPBACK, "localhost", listener.host, f"[{listener.host}]")
    # Clients omit HTTP's default port from `Host`.
    accepted = {name if port == _HTTP_PORT else f"{name}:{port}" for name in names}
    if listener.is_local and not listener.any_host and host not in accepted:
        return RequestError(
            403, f"{host!r} is not a name of this server: expected {LOOPBACK}:{port}"
        )
    if origin is not None and (listener.any_host or origin != f"http://{host}"):
        return RequestError(
            403, f"{origin!r} is not an accepted Origin: expected http://{host} or no Origin"
        )
    return None


def _one_line(record: logging.LogRecord) -> bool:
    """Shorten aiohttp's log of client errors, whose tracebacks contain only aiohttp's code."""
    if record.exc_info and record.exc_info[1]:
        record.msg = f"{record.getMessage()}: {type(record.exc_info[1]).__name__}"
        record.args, record.exc_info = (), None
    return True


CONNECTIONS.addFilter(_one_line)


def too_large(largest_bytes: int) -> RequestError:
    """Return the error of a request whose body is too large."""
    return RequestError(413, f"the request is too large: expected at most {largest_bytes} bytes")


def _response(response: Response) -> web.Response:
    return web.Response(
        status=response.status,
        body=response.body,
        headers={"Content-Type": response.content_type} if response.content_type else None,
    )
