"""The lifecycle of components: install, start, watch, restart, stop and remove."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from local_aws.core_device import process_environment, steps
from local_aws.core_device.component import Host, InstalledComponent
from local_aws.core_device.errors import BROKEN, UPDATE, DeploymentFailed
from local_aws.core_device.nucleus import StartType
from local_aws.core_device.steps import LambdaProcess, LifecycleStep, Problem

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.05
# Exit codes of a successful bootstrap step. 100 requests a restart of the nucleus, and 101 a
# restart of the device.
_BOOTSTRAP_SUCCESS = {0, 100, 101}


async def install(component: InstalledComponent, host: Host) -> None:
    """Run the install step until it succeeds, if the component has this step.

    Raises:
        DeploymentFailed: the component became BROKEN, or the time limit of nucleus lite passed.
    """
    step = _step(component, host, "install")
    if step is None:
        return

    async def attempt() -> Problem | None:
        return await process_environment.script(component, step, host).run_to_end()

    await _within_limit(component, host, "install step", _until_works(component, host, [], attempt))


async def bootstrap(component: InstalledComponent, host: Host) -> None:
    """Run the bootstrap step, if the component has this step.

    Raises:
        DeploymentFailed: the step timed out, or its exit code is not 0, 100 or 101.
    """
    step = _step(component, host, "bootstrap")
    if step is None:
        return
    problem = await process_environment.script(component, step, host).run_to_end()
    if problem and problem.exit_code not in _BOOTSTRAP_SUCCESS:
        raise DeploymentFailed(f"{component.title}: {problem.text}", UPDATE)


async def start(component: InstalledComponent, host: Host) -> None:
    """Start a component, and retry until it is running or has finished.

    A component without a unit, or with an unavailable HARD dependency, becomes INSTALLED.

    Raises:
        DeploymentFailed: the component became BROKEN, or the time limit of nucleus lite passed.
    """
    component.starts.clear()
    component.failures.clear()
    await _within_limit(component, host, "unit", _start(component, host))


async def stop(component: InstalledComponent, host: Host) -> None:
    """Stop a component; a failure of its shutdown step is only logged."""
    if component.watch and component.watch is not asyncio.current_task():
        component.watch.cancel()
        # asyncio.wait raises a cancellation of this task, but not the cancellation of the watch.
        await asyncio.wait({component.watch})
    component.watch = None
    runs = component.status in {"STARTING", "RUNNING", "ERRORED"}
    if runs:
        await _shut_down(component, host)
    if component.process:
        await component.process.stop()
        component.process = None
    if runs:
        host.set_status(component, "FINISHED")


async def remove(component: InstalledComponent, host: Host) -> None:
    """Stop a component that is no longer deployed; run its uninstall step, if supported."""
    await stop(component, host)
    if host.nucleus.has_uninstall:
        await _run_quietly(component, host, "uninstall")


async def wait_until_settled(host: Host, names: Collection[str]) -> None:
    """Wait until the named components are running or have finished.

    Raises:
        DeploymentFailed: a named component is BROKEN, or the time limit of nucleus lite passed.
    """
    await asyncio.sleep(host.pauses.settle_seconds)
    awaited = [host.running[name] for name in sorted(names)]
    for component in awaited:
        await _within_limit(component, host, "unit", _until_settled(component, awaited))


async def _until_settled(
    awaited: InstalledComponent, others: Collection[InstalledComponent]
) -> None:
    # The emulator polls because real nuclei poll, too.
    while awaited.status not in {"RUNNING", "FINISHED"}:
        for component in others:
            if component.status == "BROKEN":
                raise DeploymentFailed(f"{component.title}: {component.reason}", UPDATE, BROKEN)
        await asyncio.sleep(_POLL_SECONDS)


async def _within_limit(
    component: InstalledComponent, host: Host, subject: str, work: Awaitable[None]
) -> None:
    limit = host.pauses.unit_seconds if host.nucleus.limits_waits else None
    try:
        async with asyncio.timeout(limit):
            await work
    except TimeoutError:
        has_no_unit = host.nucleus.start_of(component.recipe) is StartType.NO_UNIT
        hint = "; it has no run or startup step, so it has no unit" if has_no_unit else ""
        raise DeploymentFailed(
            f"{component.title}: nucleus lite waited {limit:g} s for its {subject}{hint}", UPDATE
        ) from None


async def _start(component: InstalledComponent, host: Host) -> None:
    start_type = host.nucleus.start_of(component.recipe)
    bound = host.nucleus.bound_to(component.recipe)
    if start_type is StartType.NO_UNIT or not all(_is_available(name, host) for name in bound):
        host.set_status(component, "INSTALLED")
        return
    await _until_works(
        component,
        host,
        component.starts,
        partial(_begin, component, host, start_type),
        starts_component=True,
    )
    if component.process:
        component.watch = asyncio.create_task(_watch(component, host))


def _is_available(name: str, host: Host) -> bool:
    """Return whether a component exists, is neither BROKEN nor INSTALLED, and can have a unit."""
    component = host.running.get(name)
    return (
        component is not None
        and component.status not in {"BROKEN", "INSTALLED"}
        and host.nucleus.start_of(component.recipe) is not StartType.NO_UNIT
    )


async def _begin(
    component: InstalledComponent, host: Host, start_type: StartType
) -> Problem | None:
    """Make one attempt to start a component; return the problem if the attempt fails."""
    nucleus = host.nucleus
    host.set_status(component, "STARTING")
    if nucleus.reads_recipe_file:
        file = nucleus.recipe_file(host.layout, component.name, component.version)
        if not file.is_file():
            return Problem("START_ERROR", f"its recipe {file.name} is not on the device")
    await _start_along(component, host)
    step = _step(component, host, "run" if start_type is StartType.RUN else "startup")
    problem = None
    if start_type is StartType.LAMBDA:
        process_environment.link_camera(component, host)
        component.process = process_environment.lambda_process(component, host)
        problem = await component.process.start()
    elif step is not None and start_type is StartType.RUN:
        process_environment.link_camera(component, host)
        _, stop_seconds = nucleus.run_limits(step.timeout_seconds)
        component.process = process_environment.script(
            component, step, host, stop_seconds=stop_seconds
        )
        problem = await component.process.start()
    elif step is not None and start_type is StartType.NOTIFY:
        process = process_environment.script(component, step, host)
        component.process = process
        problem = await process.start_and_notify(host.sockets)
    elif step is not None:
        problem = await process_environment.script(component, step, host).run_to_end()
    if problem is None:
        host.set_status(component, "FINISHED" if start_type is StartType.NOTHING else "RUNNING")
    elif component.process:
        await component.process.stop()
    return problem


async def _until_works(
    component: InstalledComponent,
    host: Host,
    starts: list[float],
    attempt: Callable[[], Awaitable[Problem | None]],
    *,
    starts_component: bool = False,
) -> None:
    """Repeat a step until it succeeds; raise DeploymentFailed if the component becomes BROKEN."""
    failures: list[float] = []
    while True:
        starts.append(time.monotonic())
        problem = await attempt()
        if problem is None:
            return
        failures.append(time.monotonic())
        is_broken = host.nucleus.is_broken(starts, failures)
        await _fail(component, host, problem, is_broken=is_broken, has_started=starts_component)
        if is_broken:
            raise DeploymentFailed(f"{component.title}: {problem.text}", UPDATE, BROKEN)
        await asyncio.sleep(host.pauses.restart_seconds)


async def _watch(component: InstalledComponent, host: Host) -> None:
    """Restart a component after each failure until it is BROKEN or ends without a failure."""
    while True:
        problem = await _ended(component, host)
        start_type = host.nucleus.start_of(component.recipe)
        if problem is None and start_type is StartType.NOTIFY:
            # The unit remains active after a NOTIFY process ends with exit code 0.
            return
        if problem is None:
            await _shut_down(component, host)
            host.set_status(component, "FINISHED")
            return
        component.failures.append(time.monotonic())
        is_broken = host.nucleus.is_broken(component.starts, component.failures)
        await _fail(component, host, problem, is_broken=is_broken, has_started=True)
        stopped = await _stop_bound(component, host)
        if is_broken:
            return
        await asyncio.sleep(host.pauses.restart_seconds)
        try:
            await _until_works(
                component,
                host,
                component.starts,
                partial(_begin, component, host, start_type),
                starts_component=True,
            )
        except DeploymentFailed:
            return
        if host.nucleus.restarts_bound:
            for other in stopped:
                with contextlib.suppress(DeploymentFailed):
                    await _start(other, host)


async def _ended(component: InstalledComponent, host: Host) -> Problem | None:
    """Wait for the end of the process; return its problem, or None if a script succeeded."""
    process = component.process
    if process is None:
        return None
    if isinstance(process, LambdaProcess):
        code = await process.wait()
        text = f"ended with {code}; last lines: {process.last_lines()}"
        return Problem("RUN_ERROR", text, code)
    step = _step(component, host, "run")
    limit, _ = host.nucleus.run_limits(step.timeout_seconds if step else None)
    try:
        async with asyncio.timeout(limit):
            code = await process.wait()
    except TimeoutError:
        await process.stop()
        return process.timed_out(limit)
    return process.failed(code) if code else None


async def _fail(
    component: InstalledComponent,
    host: Host,
    problem: Problem,
    *,
    is_broken: bool,
    has_started: bool,
) -> None:
    """Set the failure status; run `recover` unless BROKEN, and `shutdown` if `has_started`."""
    status = "BROKEN" if is_broken else "ERRORED"
    host.set_status(component, status, problem)
    logger.error("%s is %s: %s", component.name, status, problem.text)
    if host.nucleus.has_recover and not is_broken:
        await _run_quietly(component, host, "recover")
    if has_started:
        await _shut_down(component, host)
    if is_broken:
        # systemd starts the units of `Wants=` before it rejects the start of this unit.
        await _start_along(component, host)


async def _stop_bound(component: InstalledComponent, host: Host) -> list[InstalledComponent]:
    """Stop the running HARD dependents of a failed component; return them in stop order.

    The dependents of these components also stop.
    """
    if component.status not in host.nucleus.unbinding_statuses:
        return []
    stopped: list[InstalledComponent] = []
    names = {component.name}
    while bound := [
        other
        for _, other in sorted(host.running.items())
        if names & host.nucleus.bound_to(other.recipe)
        and other not in stopped
        and other.status in {"STARTING", "RUNNING"}
    ]:
        for other in bound:
            await stop(other, host)
            if host.nucleus.restarts_bound:
                host.set_status(other, "INSTALLED")
        stopped += bound
        names |= {other.name for other in bound}
    return stopped


async def _start_along(component: InstalledComponent, host: Host) -> None:
    """Start the units of the SOFT dependencies (`Wants=`) that are not running."""
    for name in sorted(host.nucleus.started_along(component.recipe) & host.running.keys()):
        other = host.running[name]
        start_type = host.nucleus.start_of(other.recipe)
        if other.status not in {"FINISHED", "ERRORED"} or start_type is StartType.NO_UNIT:
            continue
        now = time.monotonic()
        if host.nucleus.refuses_start(other.starts, now):
            host.set_status(other, "ERRORED", Problem("START_LIMIT", "started too often"))
            continue
        other.starts.append(now)
        if await _begin(other, host, start_type) is None:
            other.watch = asyncio.create_task(_watch(other, host))


async def _shut_down(component: InstalledComponent, host: Host) -> None:
    if host.nucleus.has_shutdown:
        await _run_quietly(component, host, "shutdown")


async def _run_quietly(component: InstalledComponent, host: Host, name: str) -> None:
    step = _step(component, host, name)
    if step is None:
        return
    problem = await process_environment.script(component, step, host).run_to_end()
    if problem:
        logger.warning("%s: %s", component.name, problem.text)


def _step(component: InstalledComponent, host: Host, name: str) -> LifecycleStep | None:
    # The steps of a Lambda component call AWS' launcher, which `LambdaProcess` replaces.
    if host.nucleus.start_of(component.recipe) is StartType.LAMBDA:
        return None
    return steps.to_step(name, host.nucleus.raw_step(component.recipe, name))
