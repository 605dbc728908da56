"""The environment of a component's processes: recipe variables and environment variables."""

import json
import os
import secrets
from dataclasses import replace
from pathlib import Path

from local_aws.core_device.component import Host, InstalledComponent
from local_aws.core_device.configuration import (
    interpolated,
    with_configuration,
    with_own_variables,
)
from local_aws.core_device.steps import LambdaLaunch, LambdaProcess, LifecycleStep, Script

_PYTHON = "python3.12"
# Environment variables of the core's process that components inherit.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME", "TZ")


def script(
    component: InstalledComponent,
    step: LifecycleStep,
    host: Host,
    *,
    stop_seconds: float | None = None,
) -> Script:
    """Create the process of a step, and replace the recipe variables in the step."""
    folders = _folders(component, host)
    layout = host.layout
    own = _own_variables(component, host)

    def with_variables(text: str) -> str:
        text = with_configuration(text, component.configuration)
        return with_own_variables(interpolated(text, component.name, folders), own)

    environment = {
        **_environment(component, host),
        **{key: with_variables(value) for key, value in step.variables.items()},
    }
    environment["PATH"] = f"{_device_python(host)}:{environment['PATH']}"
    resolved_step = replace(step, script=with_variables(step.script))
    work, log = layout.work(component.name), layout.log(component.name)
    if stop_seconds is None:
        return Script(resolved_step, work, log, environment)
    return Script(resolved_step, work, log, environment, stop_seconds=stop_seconds)


def lambda_process(component: InstalledComponent, host: Host) -> LambdaProcess:
    """Return the process of a Lambda component, which runs instead of AWS' launcher."""
    layout = host.layout
    setenv = component.recipe.get("Lifecycle", {}).get("setenv", {})
    handler = setenv["AWS_GREENGRASS_LAMBDA_FUNCTION_HANDLER"]
    parameters = component.configuration.get("lambdaExecutionParameters", {})
    variables = json.loads(
        interpolated(
            json.dumps(parameters.get("EnvironmentVariables", {})),
            component.name,
            _folders(component, host),
        )
    )
    launch = LambdaLaunch(
        component=component.name,
        interpreter=host.interpreter,
        handler=handler,
        environment={
            **{key: str(value) for key, value in variables.items()},
            **_environment(component, host),
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
    return LambdaProcess(launch)


def link_camera(component: InstalledComponent, host: Host) -> None:
    """Link the virtual camera's folder, if any, into the component's working directory."""
    if host.camera_folder is None:
        return
    work = host.layout.work(component.name)
    work.mkdir(parents=True, exist_ok=True)
    link = work / "camera"
    if link.is_symlink():
        link.unlink()
    link.symlink_to(host.camera_folder)


def _own_variables(component: InstalledComponent, host: Host) -> dict[str, str]:
    layout, folder = host.layout, host.nucleus.folder
    return {
        "artifacts:path": folder(layout.artifacts(component.name, component.version)),
        "artifacts:decompressedPath": folder(layout.unarchived(component.name, component.version)),
        "work:path": folder(layout.work(component.name)),
        "kernel:rootPath": str(layout.greengrass),
        "iot:thingName": host.identity.thing,
    }


def _folders(component: InstalledComponent, host: Host) -> dict[str, dict[str, Path]]:
    """Return the folders of direct dependencies by name, or no folders for nucleus lite."""
    if not host.nucleus.resolves_other_components:
        return {}
    layout = host.layout
    return {
        name: {
            "artifacts:path": layout.artifacts(name, version),
            "artifacts:decompressedPath": layout.unarchived(name, version),
            "work:path": layout.work(name),
        }
        for name, version in component.dependencies.items()
    }


def _environment(component: InstalledComponent, host: Host) -> dict[str, str]:
    """Return the environment variables of a component's process, with a new token for the IPC."""
    token = secrets.token_hex(16)
    host.admit(token, component.name)
    region = host.identity.region
    variables = {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "AWS_IOT_THING_NAME": host.identity.thing,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "GGC_VERSION": host.nucleus.version,
        "GG_ROOT_CA_PATH": host.ca_file,
        "SVCUID": token,
        "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(host.ipc_socket),
        "PWD": str(host.layout.work(component.name)),
    }
    if host.nucleus.passes_credentials(component.recipe, set(host.running)):
        variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = host.credentials_url
        variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = token
    return variables


def _device_python(host: Host) -> Path:
    """Return a folder with the script `python3.12`, which runs the device's interpreter.

    A link instead of the script would not work: Python then does not find its virtual environment.
    """
    folder = host.layout.root / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / _PYTHON
    if not program.exists():
        program.write_text(f'#!/bin/sh\nexec "{host.interpreter}" "$@"\n', encoding="utf-8")
        program.chmod(0o755)
    return folder
