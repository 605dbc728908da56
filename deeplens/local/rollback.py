"""The rollback of an environment on the running emulator, without the pipeline."""

import click

from deeplens.config import EnvironmentConfig
from deeplens.local import cdk
from deeplens.local.checkout import checkout_environment
from deeplens.local.deployment import DeployedEnvironment, bootstrap_and_deploy
from deeplens.local.emulator import LOGS, ROOT, running_emulator
from deeplens.local.processes import run
from deeplens.local.steps import Steps


def roll_back_environment(
    steps: Steps, name: str, reason: str, digest: str | None
) -> DeployedEnvironment:
    """Pin a release that the cameras of environment `name` verified before, and deploy the release.

    Raises:
        CommandFailed: a step failed.
        ConfigError: the environment file is not valid.
    """
    environment, endpoint = checkout_environment(name), running_emulator()
    with cdk.assembly_lock():
        with steps.step("pin", f"pin the release that {name} ran before"):
            for line in _pin_earlier_release(environment, reason, digest).splitlines():
                # Omit the line "next: …", because the next steps perform its command.
                if not line.startswith("next: "):
                    click.echo(line)
        cdk.synthesize(steps)
        return bootstrap_and_deploy(steps, checkout_environment(name), endpoint)


def _pin_earlier_release(environment: EnvironmentConfig, reason: str, digest: str | None) -> str:
    """Pin a release that the environment's cameras verified before; return the command's output."""
    return run(
        [
            ROOT / ".venv/bin/deeplens",
            "release",
            "rollback",
            environment.name,
            "--local",
            f"--reason={reason}",
            *([f"--to={digest}"] if digest else []),
        ],
        LOGS / f"rollback-{environment.name}.log",
    )
