"""The components of a core device: installed from recipes, started, watched, stopped."""

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.core_device.configuration import interpolated
from local_aws.core_device.errors import DeploymentFailed
from local_aws.core_device.lambda_process import (
    LambdaProcess,
    Launch,
    base_environment,
    new_token,
)
from local_aws.core_device.layout import Identity, Layout

logger = logging.getLogger(__name__)

_LAMBDA = "aws.greengrass.lambda"
_MOST_RESTARTS = 3
_RESTART_SECONDS = 1.0
_INSTALL_SECONDS = 120.0
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
    process: LambdaProcess | None = None
    watch: "asyncio.Task[None] | None" = field(default=None, repr=False)

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


async def install(component: Component) -> None:
    """Run the recipe's install step, if it has one; raise `DeploymentFailed` when it fails."""
    for manifest in component.recipe.get("Manifests", [])[:1]:
        step = (manifest.get("Lifecycle") or {}).get("install")
        script = step.get("script") if isinstance(step, dict) else step
        if not script:
            continue
        process = await asyncio.create_subprocess_shell(
            script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await asyncio.wait_for(process.communicate(), _INSTALL_SECONDS)
        if process.returncode:
            raise DeploymentFailed(
                f"{component.name}: its install step ended with {process.returncode}: "
                f"{output.decode(errors='replace')[-300:]}"
            )


async def start(component: Component, host: Host, others: dict[str, Component]) -> None:
    """Start a component; raise `DeploymentFailed` when it does not come up."""
    if not component.is_lambda:
        component.status = "FINISHED"
        return
    component.status = "STARTING"
    _link_camera(component, host)
    token = new_token()
    host.admit(token, component.name)
    component.process = LambdaProcess(_launch(component, host, others, token))
    problem = await component.process.start()
    if problem:
        await component.process.stop()
        component.status, component.reason = "ERRORED", problem
        raise DeploymentFailed(f"{component.name} {component.version}: {problem}")
    component.status, component.reason = "RUNNING", ""
    component.watch = asyncio.create_task(_keep_running(component, host))


async def stop(component: Component) -> None:
    """Stop a component."""
    if component.watch:
        component.watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await component.watch
        component.watch = None
    if component.process:
        await component.process.stop()
        component.process = None


async def _keep_running(component: Component, host: Host) -> None:
    """Start a function that ended again, a few times, then call it BROKEN."""
    for attempt in range(1, _MOST_RESTARTS + 2):
        process = component.process
        if process is None:
            return
        code = await process.wait()
        component.reason = f"ended with {code}; last lines: {process.last_lines()}"
        component.status = "ERRORED" if attempt <= _MOST_RESTARTS else "BROKEN"
        logger.error("%s is %s: %s", component.name, component.status, component.reason)
        host.status_changed()
        if component.status == "BROKEN":
            return
        await asyncio.sleep(_RESTART_SECONDS * attempt)
        if await process.start() is None:
            component.status = "RUNNING"
            host.status_changed()


def _launch(component: Component, host: Host, others: dict[str, Component], token: str) -> Launch:
    layout = host.layout
    code = layout.unarchived(component.name, component.version) / "lambda-artifact"
    setenv = component.recipe.get("Lifecycle", {}).get("setenv", {})
    handler = setenv["AWS_GREENGRASS_LAMBDA_FUNCTION_HANDLER"]
    folders = {
        name: {
            "path": layout.artifacts(name, others[name].version),
            "decompressedPath": layout.unarchived(name, others[name].version),
        }
        for name in component.recipe.get("ComponentDependencies", {})
        if name in others
    }
    parameters = component.configuration.get("lambdaExecutionParameters", {})
    variables = json.loads(
        interpolated(
            json.dumps(parameters.get("EnvironmentVariables", {})), component.name, folders
        )
    )
    region = host.identity.region
    return Launch(
        component=component.name,
        interpreter=host.interpreter,
        handler=handler,
        environment={
            **base_environment(),
            **{key: str(value) for key, value in variables.items()},
            "AWS_IOT_THING_NAME": host.identity.thing,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "GGC_VERSION": GGC_VERSION,
            "GG_ROOT_CA_PATH": host.ca_file,
            "SVCUID": token,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": host.credentials_url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
            "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(host.socket),
            "MY_FUNCTION_ARN": setenv["AWS_GREENGRASS_LAMBDA_ARN"],
            "AWS_GREENGRASS_LAMBDA_FUNCTION_HANDLER": handler,
            "AWS_GREENGRASS_LAMBDA_ARTIFACT_PATH": str(code),
            "PWD": str(layout.work(component.name)),
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
