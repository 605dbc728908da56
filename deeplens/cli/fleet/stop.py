"""`deeplens fleet stop` and `deeplens fleet resume`: no further device gets the current release."""

from pathlib import Path

import click

from deeplens.cli.fleet.options import dry_run_option, reason_option
from deeplens.cli.options import environment_argument, environments_option, examples, local_option


@click.command(
    epilog=examples('fleet stop production --reason "false detections"'),
)
@environment_argument
@environments_option
@local_option
@reason_option
@dry_run_option
def stop(environment: str, environments: Path, reason: str, *, local: bool, dry_run: bool) -> None:
    """Stop ENVIRONMENT's current release: no further device gets it.

    Devices that already run it keep it; `deeplens release rollback --now` replaces it. A deploy
    that waits fails with the reason, and a later deploy of the same release is refused until
    `deeplens fleet resume`.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input.
    """
    from deeplens.fleet.session import open_session
    from deeplens.fleet.stop import current_deployments, stop_deployment
    from shared.fleet.deployments import STOPPED_TAG

    site = open_session(environments, environment, local=local)
    for one in current_deployments(site):
        if STOPPED_TAG in one.tags:
            click.echo(f"{one.id} is already stopped: {one.tags[STOPPED_TAG]}")
        elif dry_run:
            click.echo(f"would stop {one.id} ({one.status}) of {one.target_arn}")
        else:
            stop_deployment(site, one, reason)
            click.echo(f"stopped {one.id} of {one.target_arn}")


@click.command(epilog=examples("fleet resume production"))
@environment_argument
@environments_option
@local_option
@dry_run_option
def resume(environment: str, environments: Path, *, local: bool, dry_run: bool) -> None:
    """Lift the stop of ENVIRONMENT's current release; the next deploy delivers it again.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input.
    """
    from deeplens.fleet.errors import FleetError
    from deeplens.fleet.session import open_session
    from deeplens.fleet.stop import current_deployments, resume_deployment
    from shared.fleet.deployments import STOPPED_TAG

    site = open_session(environments, environment, local=local)
    stopped = [one for one in current_deployments(site) if STOPPED_TAG in one.tags]
    if not stopped:
        raise FleetError(f"nothing is stopped on {site.thing_group}")
    for one in stopped:
        if dry_run:
            click.echo(f"would lift the stop of {one.id}: {one.tags[STOPPED_TAG]}")
        else:
            resume_deployment(site, one)
            click.echo(f"{one.id} may be deployed again")
