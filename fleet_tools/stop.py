"""`fleet stop` and `fleet resume`: no further device gets the current release."""

import time
from pathlib import Path

import click
from botocore.exceptions import ClientError

from deeplens_project import deployments
from deeplens_project.deployments import STOPPED_TAG, Deployment
from fleet_tools.errors import FleetError
from fleet_tools.site import Site, environment_argument, environments_option, open_site

reason_option = click.option("--reason", required=True, help="For those who read it later.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would happen, do nothing.")


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
    site = open_site(environments, environment)
    for one in _under_way(site):
        if STOPPED_TAG in one.tags:
            click.echo(f"{one.id} is stopped already: {one.tags[STOPPED_TAG]}")
        elif dry_run:
            click.echo(f"would stop {one.id} ({one.status}) of {one.target_arn}")
        else:
            _stop(site, one, stamped(reason))
            click.echo(f"stopped {one.id} of {one.target_arn}")


@click.command()
@environment_argument
@environments_option
@dry_run_option
def resume(environment: str, environments: Path, *, dry_run: bool) -> None:
    """Lift the stop of ENVIRONMENT's current release; the next deploy brings it again."""
    site = open_site(environments, environment)
    stopped = [one for one in _under_way(site) if STOPPED_TAG in one.tags]
    if not stopped:
        raise FleetError(f"nothing is stopped on {site.thing_group}")
    for one in stopped:
        if dry_run:
            click.echo(f"would lift the stop of {one.id}: {one.tags[STOPPED_TAG]}")
            continue
        site.greengrass.untag_resource(resourceArn=one.arn, tagKeys=[STOPPED_TAG])
        click.echo(f"{one.id} may be deployed again")


def _under_way(site: Site) -> list[Deployment]:
    """The release that came last: its waves, or else the whole fleet's deployment."""
    current = site.current()
    return deployments.waves_since(site.greengrass, current) or [current]


def stamped(reason: str) -> str:
    """Put the time before a reason, in what a tag may hold."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {' '.join(reason.split())}"[:256]


def _stop(site: Site, one: Deployment, reason: str) -> None:
    # The tag first: whoever waits reads it when the deployment ends.
    deployments.tag(site.greengrass, one, {STOPPED_TAG: reason})
    try:
        site.greengrass.cancel_deployment(deploymentId=one.id)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConflictException":
            raise FleetError(f"{one.id} cannot be cancelled: {error}") from None
