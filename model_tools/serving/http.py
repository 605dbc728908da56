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

from aiohttp import web

from model_tools.errors import ServingError
from model_tools.serving.answers import Answer, RequestError

LOG = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
# What a request may hold where nothing smaller is asked for.
LARGEST_BYTES = 256 << 20
# Requests that are worked on at once; the others wait.
_THREADS = 64

# Header names are in lower case.
Handle = Callable[[str, str, Mapping[str, str], bytes], Answer]


@dataclass(frozen=True)
class Site:
    """One server: where it listens, and what answers."""

    handle: Handle
    port: int
    host: str = LOOPBACK
    most_bytes: int = LARGEST_BYTES
    # Whoever waits longer is told so; None: no limit.
    seconds: float | None = None
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(_THREADS))


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
            runner = web.AppRunner(_application(site), access_log=None, shutdown_timeout=1)
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


def _application(site: Site) -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return _response(too_large(site.most_bytes).as_answer())
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


def too_large(most_bytes: int) -> RequestError:
    """Return what whoever sends too much is told."""
    return RequestError(413, f"the request is too large: at most {most_bytes} bytes are taken")


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={"Content-Type": answer.content_type} if answer.content_type else None,
    )
