"""Servers on loopback, or where they are told to listen; ended by SIGTERM or Ctrl-C."""

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
from model_tools.serving.http_types import Answer, RequestError

LOG = logging.getLogger(__name__)
CONNECTIONS = logging.getLogger(f"{__name__}.connections")

LOOPBACK = "127.0.0.1"
# What a request may hold where nothing smaller is asked for.
LARGEST_BYTES = 256 << 20
# Requests that are worked on at once; the others wait.
_THREADS = 64

_HTTP_PORT = 80

# Header names are in lower case.
Handle = Callable[[str, str, Mapping[str, str], bytes], Answer]


@dataclass(frozen=True)
class Site:
    """One server: where it listens, and what answers."""

    handle: Handle
    port: int
    host: str = LOOPBACK
    most_bytes: int = LARGEST_BYTES
    # The names of SageMaker's containers are not known in advance.
    any_host: bool = False
    # Whoever waits longer is told so; None: no limit.
    seconds: float | None = None
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS))

    @property
    def is_local(self) -> bool:
        """True if only this machine reaches the server."""
        return self.host == "localhost" or _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def serve(sites: list[Site], ready: Callable[[list[int]], None]) -> None:
    """Serve until SIGTERM or Ctrl-C; `ready` gets the ports once requests are answered.

    Raises:
        ServingError: a port is taken.
    """
    asyncio.run(_serve(sites, ready))


def end_process() -> None:
    """End with 0, at once: a thread that still runs a model cannot be stopped otherwise."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _serve(sites: list[Site], ready: Callable[[list[int]], None]) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with AsyncExitStack() as stack:
        ports = []
        for site in sites:
            runner = _runner(site)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            try:
                await web.TCPSite(runner, site.host, site.port).start()
            except OSError as error:
                why = os.strerror(error.errno or 0)
                raise ServingError(
                    f"nothing can listen on {site.host}:{site.port}: {why}; "
                    "--port 0 takes a free one"
                ) from None
            ports.append(runner.addresses[0][1])
        ready(ports)
        await ended.wait()


def _runner(site: Site) -> web.AppRunner:
    return web.AppRunner(
        _application(site), access_log=None, shutdown_timeout=1, logger=CONNECTIONS
    )


def _application(site: Site) -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        if refused := _refusal(site, request):
            return _response(refused.as_answer())
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _response(too_large(site.most_bytes).as_answer())
        except (ConnectionError, web.RequestPayloadError) as error:
            # The client left in the middle of its body, or the body is not what its headers say.
            return _response(RequestError(400, f"unreadable body: {error}").as_answer())
        headers = {name.lower(): value for name, value in request.headers.items()}
        work = asyncio.get_running_loop().run_in_executor(
            site.pool, site.handle, request.method, request.path, headers, body
        )
        try:
            return _response(await asyncio.wait_for(work, site.seconds))
        except TimeoutError:
            return _response(
                RequestError(504, f"no answer within {site.seconds:g} seconds").as_answer()
            )
        except Exception as error:
            LOG.exception("%s %s", request.method, request.path)
            return _response(RequestError(500, f"{type(error).__name__}: {error}").as_answer())

    application = web.Application(client_max_size=site.most_bytes)
    application.router.add_route("*", "/{path:.*}", answer)
    return application


def _refusal(site: Site, request: web.Request) -> RequestError | None:
    """Return why a web page may not send this request; None if no page did, or the server's own.

    A page of another origin has another `Origin`. A page whose name was rebound to loopback has
    its own name in `Host`.
    """
    host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
    port = request.transport.get_extra_info("sockname")[1] if request.transport else site.port
    names = (LOOPBACK, "localhost", site.host, f"[{site.host}]")
    # HTTP's own port is left out of `Host`.
    own = {name if port == _HTTP_PORT else f"{name}:{port}" for name in names}
    if site.is_local and not site.any_host and host not in own:
        return RequestError(
            403, f"{host!r} is not a name of this server: expected {LOOPBACK}:{port}"
        )
    if origin is not None and (site.any_host or origin != f"http://{host}"):
        return RequestError(403, f"pages of {origin!r} may not use this server")
    return None


def _one_line(record: logging.LogRecord) -> bool:
    """Shorten what aiohttp reports of a client's faults: a traceback shows only aiohttp's code."""
    if record.exc_info and record.exc_info[1]:
        record.msg = f"{record.getMessage()}: {type(record.exc_info[1]).__name__}"
        record.args, record.exc_info = (), None
    return True


CONNECTIONS.addFilter(_one_line)


def too_large(most_bytes: int) -> RequestError:
    """Return what whoever sends too much is told."""
    return RequestError(413, f"the request is too large: at most {most_bytes} bytes are taken")


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={"Content-Type": answer.content_type} if answer.content_type else None,
    )
