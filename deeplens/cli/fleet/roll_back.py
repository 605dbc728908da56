"""`fleet rollback`: deploy a stored release again."""

from pathlib import Path

import click

from deeplens.cli.fleet.options import (
    dry_run_option,
    environment_argument,
    environments_option,
    examples,
    local_option,
    reason_option,
)


@click.command(
    "rollback",
    epilog=examples(
        'fleet rollback production --reason "false detections"',
        'fleet rollback production 63870608 --reason "known good"',
    ),
    short_help="Deploy a stored release again.",
)
@environment_argument
@click.argument("release", required=False)
@environments_option
@local_option
@reason_option
@dry_run_option
def roll_back(
    environment: str,
    release: str | None,
    environments: Path,
    reason: str,
    *,
    local: bool,
    dry_run: bool,
) -> None:
    """Deploy a stored RELEASE to ENVIRONMENT's whole fleet, and wait until cameras run it.

    RELEASE is a deployment's id or the beginning of a model's digest, as `fleet project` shows
    them.  [default: the last verified release before the current one]

    The stack does not change: its next update deploys what its template contains.

    Exit codes: 0 the fleet runs it, 1 it does not, 2 wrong usage or input.
    """
    from deeplens.fleet.releases import choose
    from deeplens.fleet.roll_back import bring_back
    from deeplens.fleet.site import open_site
    from shared.fleet.deployments import MODEL_TAG
    from shared.fleet.explanation import explain

    site = open_site(environments, environment, local=local)
    current = site.current()
    chosen = choose(site, current, release)
    what = f"{chosen.id} (model {chosen.tags.get(MODEL_TAG, '')}) to {site.thing_group} again"
    if dry_run:
        click.echo(f"would deploy {what}")
        return
    seconds = site.environment.rollout.wait_seconds
    click.echo(f"deploys {what}, and waits up to {seconds} s for the cameras")
    click.echo(explain(bring_back(site, current, chosen, reason)))
