"""`fleet stop` and `fleet resume`: no further device gets the current release."""

from pathlib import Path

import click

from fleet_tools.commands.options import (
    dry_run_option,
    environment_argument,
    environments_option,
    reason_option,
)


@click.command()
@environment_argument
@environments_option
@reason_option
@dry_run_option
def stop(environment: str, environments: Path, reason: str, *, dry_run: bool) -> None:
    """Stop ENVIRONMENT's current release: no further device gets it.

    Devices that took it keep it; `fleet roll-back` takes it back. A deploy that waits fails with
    the reason, and a later one of the same release is refused until `fleet resume`.
    """
    from deeplens_project.deployments import STOPPED_TAG
    from fleet_tools.site import open_site
    from fleet_tools.stop import end, under_way

    site = open_site(environments, environment)
    for one in under_way(site):
        if STOPPED_TAG in one.tags:
            click.echo(f"{one.id} is stopped already: {one.tags[STOPPED_TAG]}")
        elif dry_run:
            click.echo(f"would stop {one.id} ({one.status}) of {one.target_arn}")
        else:
            end(site, one, reason)
            click.echo(f"stopped {one.id} of {one.target_arn}")


@click.command()
@environment_argument
@environments_option
@dry_run_option
def resume(environment: str, environments: Path, *, dry_run: bool) -> None:
    """Lift the stop of ENVIRONMENT's current release; the next deploy brings it again."""
    from deeplens_project.deployments import STOPPED_TAG
    from fleet_tools.errors import FleetError
    from fleet_tools.site import open_site
    from fleet_tools.stop import lift, under_way

    site = open_site(environments, environment)
    stopped = [one for one in under_way(site) if STOPPED_TAG in one.tags]
    if not stopped:
        raise FleetError(f"nothing is stopped on {site.thing_group}")
    for one in stopped:
        if dry_run:
            click.echo(f"would lift the stop of {one.id}: {one.tags[STOPPED_TAG]}")
        else:
            lift(site, one)
            click.echo(f"{one.id} may be deployed again")
