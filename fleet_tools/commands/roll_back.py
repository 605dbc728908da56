"""`fleet roll-back`: a kept release comes back."""

from pathlib import Path

import click

from fleet_tools.commands.options import (
    dry_run_option,
    environment_argument,
    environments_option,
    reason_option,
)


@click.command("roll-back")
@environment_argument
@click.argument("release", required=False)
@environments_option
@reason_option
@dry_run_option
def roll_back(
    environment: str, release: str | None, environments: Path, reason: str, *, dry_run: bool
) -> None:
    """Bring a kept RELEASE back to ENVIRONMENT's whole fleet, and wait until cameras run it.

    RELEASE is a deployment's id or the beginning of a model's digest, as `fleet project` shows
    them; without one, it is the last proven one before the current. The stack does not change: its
    next update deploys what the template says.

    Exit codes: 0 the fleet runs it, 1 it does not, 2 wrong usage.
    """
    from deeplens_project.deployments import MODEL_TAG
    from deeplens_project.explanation import explain
    from fleet_tools.releases import choose
    from fleet_tools.roll_back import bring_back
    from fleet_tools.site import open_site

    site = open_site(environments, environment)
    current = site.current()
    chosen = choose(site, current, release)
    what = f"{chosen.id} (model {chosen.tags.get(MODEL_TAG, '')}) to {site.thing_group} again"
    if dry_run:
        click.echo(f"would deploy {what}")
        return
    seconds = site.environment.rollout.wait_seconds
    click.echo(f"deploys {what}, and waits up to {seconds} s for the cameras")
    click.echo(explain(bring_back(site, current, chosen, reason)))
