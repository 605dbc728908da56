"""The deployment of an environment to the running emulator, and the status of its fleet."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click

from deeplens.config import EnvironmentConfig
from deeplens.local import cdk, emulator
from deeplens.local.checkout import checkout_environment
from deeplens.local.emulator import LOGS, ROOT, Endpoint, tools
from deeplens.local.interrupts import interruptible_update
from deeplens.local.processes import WRONG_INPUT, CommandFailed, run
from deeplens.local.steps import Steps
from deeplens.review import ReviewError

# The exit code of `deeplens fleet status` if a reachable device does not run the planned release.
_NOT_AS_PLANNED = 4
_UPDATE_SECONDS = 900.0


@dataclass(frozen=True)
class DeployedEnvironment:
    """The result of a deployment, as `--json` prints it.

    Attributes:
        environment: the name of the environment.
        model: the name of the pinned model.
        digest: the SHA-256 of the pinned artifact.
        status: the status of the project, or of the fleet if the deployment changed nothing.
    """

    environment: str
    model: str
    digest: str
    status: str


@dataclass(frozen=True)
class FleetStatus:
    """The status of a fleet on the emulator.

    Attributes:
        deployed_at: the creation time of the current deployment, ISO 8601 in UTC.
        summary: the number of devices by state, the reason if the release is stopped, and the
            command that shows more.
    """

    deployed_at: str
    summary: str


def deploy_environment(steps: Steps, name: str, plan: Path | None) -> DeployedEnvironment:
    """Synthesize the environment `name`, compare it with a plan if one is given, and deploy it.

    Raises:
        CommandFailed: a step failed, or the synthesized environment differs from the plan.
        ConfigError: the environment file is not valid.
        Interrupted: SIGTERM or Ctrl-C; the message contains the operations that continue.
    """
    environment = checkout_environment(name)
    if plan is not None:
        _check_plan_file(plan)
    endpoint = emulator.running_emulator()
    with cdk.assembly_lock():
        cdk.synthesize(steps)
        if plan is not None:
            with steps.step("compare", f"compare with {plan}"):
                _check_plan(environment, plan.resolve())
        return bootstrap_and_deploy(steps, environment, endpoint)


def bootstrap_and_deploy(
    steps: Steps, environment: EnvironmentConfig, endpoint: Endpoint, *, emulator_ends: bool = False
) -> DeployedEnvironment:
    """Bootstrap the account and deploy the synthesized environment.

    Raises:
        CommandFailed: a step failed.
        Interrupted: SIGTERM or Ctrl-C occurred; the message describes the operations that continue.
    """
    with interruptible_update(environment, endpoint, emulator_ends=emulator_ends):
        with steps.step("bootstrap", "cdk bootstrap"):
            if not cdk.bootstrap(environment, endpoint):
                click.echo("  the account is already bootstrapped")
        with steps.step("deploy", f"cdk deploy '{environment.name}/*'"):
            # An interrupted deploy may still be in progress; until it ends, CloudFormation rejects
            # a second deploy.
            cdk.wait_for_stacks(environment, endpoint, _UPDATE_SECONDS)
            output = cdk.deploy(environment, endpoint)
    status = str(emulator.outputs(environment, endpoint, "Inference")["ProjectStatus"])
    if cdk.changed_nothing(output):
        fleet = fleet_status(environment)
        click.echo(f"  no changes since {fleet.deployed_at}; the result at that time: {status}")
        click.echo(f"  now: {fleet.summary}")
        status = fleet.summary
    else:
        click.echo(f"  project: {status}")
    model = environment.model
    return DeployedEnvironment(environment.name, model.name, model.digest, status)


def compare_with_deployment(steps: Steps, name: str) -> str:
    """Synthesize the environment `name`, and return the output of `cdk diff`.

    Raises:
        CommandFailed: a step failed.
        ConfigError: the environment file is not valid.
    """
    environment, endpoint = checkout_environment(name), emulator.running_emulator()
    with cdk.assembly_lock():
        cdk.synthesize(steps)
        with steps.step("diff", f"cdk diff '{name}/*'"):
            return cdk.difference(environment, endpoint).strip()


def fleet_status(environment: EnvironmentConfig) -> FleetStatus:
    """Return the status of the fleet's cameras on the emulator.

    Raises:
        CommandFailed: the fleet has no deployment, or the emulator does not respond.
    """
    name = environment.name
    try:
        text = run(
            [ROOT / ".venv/bin/deeplens", "fleet", "status", name, "--local", "--json"],
            LOGS / f"status-{name}.log",
            tools(),
            accepted=(0, _NOT_AS_PLANNED),
        )
    except CommandFailed as error:
        raise CommandFailed(f"the status of {name} is not known: {error}") from None
    document = json.loads(text)
    states = Counter(device["standing"] for device in document["devices"])
    counted = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    stopped = f"; the release is stopped: {document['stopped']}" if document["stopped"] else ""
    return FleetStatus(
        document["deployed_at"],
        f"{counted or 'no device'}{stopped} (`deeplens fleet status {name} --local`)",
    )


def _check_plan_file(plan: Path) -> None:
    """Check before the synthesis that a plan can be read.

    Raises:
        CommandFailed: the plan cannot be read; the exit code is 2.
    """
    from deeplens.review.plan import read_plan  # noqa: PLC0415 - imports development packages

    try:
        read_plan(plan)
    except ReviewError as error:
        raise CommandFailed(str(error), WRONG_INPUT) from None


def _check_plan(environment: EnvironmentConfig, plan: Path) -> None:
    """Compare the assembly with a plan; raise `CommandFailed` with all differences."""
    run(
        [
            ROOT / ".venv/bin/python",
            "-m",
            "deeplens",
            "env",
            "plan",
            environment.name,
            "--check",
            plan,
        ],
        LOGS / "plan.log",
    )
