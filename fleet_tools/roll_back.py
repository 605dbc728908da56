"""`fleet roll-back`: a kept release comes back to the whole fleet, and proves it."""

import uuid
from pathlib import Path

import click

from cloudformation import ResourceFailed
from deeplens_project import deployments
from deeplens_project.deployments import (
    BY_HAND_TAG,
    FUNCTION_TAG,
    MODEL_TAG,
    OWNER_TAG,
    PROVEN_TAG,
    STOPPED_TAG,
    Deployment,
    Wanted,
)
from deeplens_project.explanation import explain
from deeplens_project.rollout import GateClosed, Plan, Rollout
from deeplens_project.verdict import Rule
from fleet_tools.errors import FleetError
from fleet_tools.site import Site, environment_argument, environments_option, open_site
from fleet_tools.stop import dry_run_option, reason_option, stamped


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
    site = open_site(environments, environment)
    current = site.current()
    chosen = choose(site, current, release)
    digest = chosen.tags.get(MODEL_TAG, "")
    if dry_run:
        click.echo(f"would deploy {chosen.id} (model {digest}) to {site.thing_group} again")
        return
    click.echo(f"deploys {chosen.id} (model {digest}) to {site.thing_group} again, and waits")
    wanted = Wanted(
        target_arn=site.target_arn,
        name=f"deeplens-{environment}",
        components=chosen.components,
        policies=chosen.policies,
        job=chosen.job,
        tags={
            # The stack that owns the fleet goes on owning it.
            OWNER_TAG: current.tags.get(OWNER_TAG, ""),
            MODEL_TAG: digest,
            FUNCTION_TAG: chosen.tags.get(FUNCTION_TAG, ""),
            BY_HAND_TAG: stamped(f"roll-back: {reason}"),
        },
    )
    settings = site.environment.rollout
    rule = Rule(
        success_percent=settings.success_percent,
        error_percent=settings.error_percent,
        offline_after_seconds=settings.offline_after_seconds,
    )
    plan = Plan(rule=rule, waves=(), wait_seconds=settings.wait_seconds, bake_seconds=0.0)
    token = uuid.uuid4().hex
    rollout = Rollout(site.fleet, site.thing_group, token, lambda: float(settings.wait_seconds))
    try:
        verdict = rollout.run(wanted, plan)
    except (GateClosed, ResourceFailed) as failure:
        raise FleetError(str(failure)) from None
    click.echo(explain(verdict))


def choose(site: Site, current: Deployment, release: str | None) -> Deployment:
    """Find a kept release; raise `FleetError` naming those that there are."""
    kept = list(deployments.history(site.greengrass, site.target_arn))
    proven = [
        one
        for one in kept
        if PROVEN_TAG in one.tags and STOPPED_TAG not in one.tags and one.components
    ]
    if release is None:
        # While waves are ahead of it, the fleet's own deployment is what they left.
        ahead = deployments.waves_since(site.greengrass, current)
        found = [one for one in proven if ahead or one.components != current.components]
    else:
        found = [
            one
            for one in kept
            if one.components
            and (one.id == release or one.tags.get(MODEL_TAG, "").startswith(release))
        ]
        found.sort(key=lambda one: PROVEN_TAG not in one.tags)
    if not found:
        known = ", ".join(f"{one.id} ({one.tags.get(MODEL_TAG, '')[:12]})" for one in proven)
        what = f"no kept release is {release!r}" if release else "no other proven release is kept"
        raise FleetError(f"{what}; proven ones: {known or 'none'}")
    return found[0]
