"""The components of a core device: installed from recipes, started, watched, stopped."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from local_aws.core_device import lifecycle
from local_aws.core_device.configuration import interpolated, with_own_variables
from local_aws.core_device.errors import BROKEN, UPDATE, DeploymentFailed
from local_aws.core_device.lambda_process import (
    LambdaProcess,
    Launch,
    base_environment,
    new_token,
)
from local_aws.core_device.layout import Identity, Layout
from local_aws.core_device.lifecycle import Script, Step

logger = logging.getLogger(__name__)

_LAMBDA = "aws.greengrass.lambda"
_PYTHON = "python3.12"
_MOST_RESTARTS = 3
_ERROR_RESET_SECONDS = 3600.0
GGC_VERSION = "2.16.1"


@dataclass
class Component:
    """One component version on this device."""

    name: str
    version: str
    recipe: dict[str, Any]
    configuration: dict[str, Any]
    status: str = "NEW"
    reason: str = ""
    process: LambdaProcess | Script | None = field(default=None, repr=False)
    shutdown: Script | None = field(default=None, repr=False)
    watch: "asyncio.Task[None] | None" = field(default=None, repr=False)

    @property
    def works(self) -> bool:
        """True if the component runs, has finished, or is being restarted."""
        restarts = self.status == "ERRORED" and self.watch is not None and not self.watch.done()
        return restarts or self.status in {"RUNNING", "FINISHED"}

    @property
    def is_lambda(self) -> bool:
        """Whether a process belongs to it."""
        return bool(self.recipe.get("ComponentType") == _LAMBDA)

    def same_as(self, other: "Component | None") -> bool:
        """Whether nothing would change by replacing one with the other."""
        return (
            other is not None
            and self.version == other.version
            and self.configuration == other.configuration
        )


@dataclass(frozen=True)
class Host:
    """What components need of their core."""

    layout: Layout
    identity: Identity
    socket: Path
    ca_file: str
    credentials_url: str
    interpreter: Path
    camera_folder: Path | None
    admit: Callable[[str, str], None]
    status_changed: Callable[[], None]
    # Pause before the first restart of what ended by itself; each further one takes as much more.
    restart_seconds: float = 1.0


async def install(component: Component, host: Host, others: dict[str, Component]) -> None:
    """Run the recipe's install step, if it has one; raise `DeploymentFailed` when it fails."""
    await _run_step(component, "install", host, others)


async def start(component: Component, host: Host, others: dict[str, Component]) -> None:
    """Start a component; raise `DeploymentFailed` when it does not come up."""
    component.status, component.reason = "STARTING", ""
    if component.is_lambda:
        _link_camera(component, host)
        token = _admit(component, host)
        component.process = LambdaProcess(_launch(component, host, others, token))
    elif run := lifecycle.step(component.recipe, "run"):
        _link_camera(component, host)
        component.process = _script(component, run, host, others)
    else:
        await _run_step(component, "startup", host, others)
        stays = lifecycle.step(component.recipe, "startup") is not None
        component.status = "RUNNING" if stays else "FINISHED"
        component.shutdown = _shutdown(component, host, others)
        return
    problem = await component.process.start()
    if problem:
        await component.process.stop()
        component.status, component.reason = "ERRORED", problem
        raise DeploymentFailed(f"{component.name} {component.version}: {problem}", UPDATE)
    component.status = "RUNNING"
    component.shutdown = _shutdown(component, host, others)
    component.watch = asyncio.create_task(_keep_running(component, host))


async def stop(component: Component) -> None:
    """Stop a component; its shutdown step runs first, and whether it worked changes nothing."""
    if component.watch:
        component.watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await component.watch
        component.watch = None
    if component.shutdown:
        problem = await component.shutdown.run_to_end()
        component.shutdown = None
        if problem:
            logger.warning("%s: %s", component.name, problem)
    if component.process:
        await component.process.stop()
        component.process = None


async def _keep_running(component: Component, host: Host) -> None:
    """Start what ended again, a few times, then call it BROKEN; a script may end with 0."""
    failures: tuple[float, ...] = ()
    while component.process is not None:
        process = component.process
        code = await process.wait()
        if code == 0 and not component.is_lambda:
            component.status = "FINISHED"
            host.status_changed()
            return
        failures = with_failure(failures, time.monotonic())
        component.reason = f"ended with {code}; last lines: {process.last_lines()}"
        component.status = "ERRORED" if len(failures) <= _MOST_RESTARTS else "BROKEN"
        logger.error("%s is %s: %s", component.name, component.status, component.reason)
        host.status_changed()
        if component.status == "BROKEN":
            return
        await asyncio.sleep(host.restart_seconds * len(failures))
        if await process.start() is None:
            component.status = "RUNNING"
            host.status_changed()


def with_failure(failures: tuple[float, ...], now: float) -> tuple[float, ...]:
    """Add a failure; earlier ones no longer count if the last of them is an hour ago.

    Source: aws-greengrass-nucleus, Lifecycle, `errorResetTime`.
    """
    recent = failures and now - failures[-1] < _ERROR_RESET_SECONDS
    return (*failures, now) if recent else (now,)


async def _run_step(
    component: Component, name: str, host: Host, others: dict[str, Component]
) -> None:
    step = lifecycle.step(component.recipe, name)
    if step is None:
        return
    problem = await _script(component, step, host, others).run_to_end()
    if problem:
        component.status, component.reason = "BROKEN", problem
        raise DeploymentFailed(f"{component.name} {component.version}: {problem}", UPDATE, BROKEN)


def _shutdown(component: Component, host: Host, others: dict[str, Component]) -> Script | None:
    # That of a Lambda component asks AWS' own launcher, which is not here: its process is ended.
    step = None if component.is_lambda else lifecycle.step(component.recipe, "shutdown")
    return _script(component, step, host, others) if step else None


def _script(component: Component, step: Step, host: Host, others: dict[str, Component]) -> Script:
    folders = _folders(component, host.layout, others)
    layout = host.layout
    own = _own_variables(component, host)

    def filled_in(text: str) -> str:
        return with_own_variables(interpolated(text, component.name, folders), own)

    environment = {
        **_environment(component, host, _admit(component, host)),
        **{key: filled_in(value) for key, value in step.variables.items()},
    }
    environment["PATH"] = f"{_device_python(host)}:{environment['PATH']}"
    filled = replace(step, script=filled_in(step.script))
    return Script(filled, layout.work(component.name), layout.log(component.name), environment)


def _own_variables(component: Component, host: Host) -> dict[str, str]:
    layout = host.layout
    return {
        "artifacts:path": str(layout.artifacts(component.name, component.version)),
        "artifacts:decompressedPath": str(layout.unarchived(component.name, component.version)),
        "work:path": str(layout.work(component.name)),
        "kernel:rootPath": str(layout.greengrass),
        "iot:thingName": host.identity.thing,
    }


def _device_python(host: Host) -> Path:
    """Return a folder with the device's interpreter, under the name that recipes ask for.

    A link would leave the interpreter's virtual environment behind.
    """
    folder = host.layout.root / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / _PYTHON
    if not program.exists():
        program.write_text(f'#!/bin/sh\nexec "{host.interpreter}" "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return folder


def _admit(component: Component, host: Host) -> str:
    token = new_token()
    host.admit(token, component.name)
    return token


def _folders(
    component: Component, layout: Layout, others: dict[str, Component]
) -> dict[str, dict[str, Path]]:
    """Where the artifacts and working directories of direct dependencies are."""
    return {
        name: {
            "artifacts:path": layout.artifacts(name, others[name].version),
            "artifacts:decompressedPath": layout.unarchived(name, others[name].version),
            "work:path": layout.work(name),
        }
        for name in component.recipe.get("ComponentDependencies", {})
        if name in others
    }


def _environment(component: Component, host: Host, token: str) -> dict[str, str]:
    """What every process of a component has."""
    region = host.identity.region
    return {
        **base_environment(),
        "AWS_IOT_THING_NAME": host.identity.thing,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "GGC_VERSION": GGC_VERSION,
        "GG_ROOT_CA_PATH": host.ca_file,
        "SVCUID": token,
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": host.credentials_url,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(host.socket),
        "PWD": str(host.layout.work(component.name)),
    }


def _launch(component: Component, host: Host, others: dict[str, Component], token: str) -> Launch:
    layout = host.layout
    setenv = component.recipe.get("Lifecycle", {}).get("setenv", {})
    handler = setenv["AWS_GREENGRASS_LAMBDA_FUNCTION_HANDLER"]
    parameters = component.configuration.get("lambdaExecutionParameters", {})
    variables = json.loads(
        interpolated(
            json.dumps(parameters.get("EnvironmentVariables", {})),
            component.name,
            _folders(component, layout, others),
        )
    )
    return Launch(
        component=component.name,
        interpreter=host.interpreter,
        handler=handler,
        environment={
            **{key: str(value) for key, value in variables.items()},
            **_environment(component, host, token),
            "MY_FUNCTION_ARN": setenv["AWS_GREENGRASS_LAMBDA_ARN"],
            "AWS_GREENGRASS_LAMBDA_FUNCTION_HANDLER": handler,
            "AWS_GREENGRASS_LAMBDA_ARTIFACT_PATH": str(
                layout.unarchived(component.name, component.version) / "lambda-artifact"
            ),
        },
        work=layout.work(component.name),
        log=layout.log(component.name),
        status_timeout_seconds=float(component.configuration.get("statusTimeoutInSeconds", 60)),
    )


def _link_camera(component: Component, host: Host) -> None:
    """Show the virtual camera's pictures to the function, in its working directory."""
    if host.camera_folder is None:
        return
    work = host.layout.work(component.name)
    work.mkdir(parents=True, exist_ok=True)
    link = work / "camera"
    if link.is_symlink():
        link.unlink()
    link.symlink_to(host.camera_folder)
