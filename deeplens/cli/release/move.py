"""Commands that promote a release, or roll back to an earlier release."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from deeplens.cli.options import examples, json_option
from deeplens.cli.output import json_result
from deeplens.cli.release.options import registry_options
from model_tools.cli.errors import echo

if TYPE_CHECKING:
    from deeplens.releases.promotion import PromotionPlan, Registry

# The fields of a release card that are printed first, in this order.
_FIRST = (
    "version",
    "provenance.training.precision",
    "provenance.training.recall",
    "provenance.training.accuracy",
    "threshold",
    "bytes",
)

_VERBOSE = click.option(
    "--verbose", is_flag=True, help="Print every value in which the two releases differ."
)


@click.command(
    epilog=examples(
        "release promote dev staging --dry-run", "release promote --challenger production"
    )
)
@registry_options
@click.argument("source")
@click.argument("target")
@click.option(
    "--dry-run", is_flag=True, help="Check everything, print what would happen, change nothing."
)
@click.option(
    "--again",
    metavar="WHY",
    help="Promote a release again that TARGET was rolled back from; WHY is stored.",
)
@click.option(
    "--challenger", is_flag=True, help="Promote to the environment that challenges TARGET."
)
@_VERBOSE
@json_option
def promote(
    registry: "Registry",
    source: str,
    target: str,
    again: str | None,
    *,
    dry_run: bool,
    challenger: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Pin the release of SOURCE in TARGET, if SOURCE's cameras verified it.

    Exit codes: 0 done, or TARGET already pins it; 1 refused; 2 wrong usage or input.
    """
    from deeplens.config import find_challenger, load_environments
    from deeplens.releases.promotion import plan_promotion

    if challenger:
        target = find_challenger(load_environments(registry.folder), target).name
    plan = plan_promotion(registry, source, target, again=(again or "").strip())
    with json_result(as_json=as_json) as document:
        if plan is None:
            document.update(environment=target, changed=False)
            click.echo(f"{target} already pins the release of {source}; nothing to do")
            return
        document.update(_carry_out(registry, plan, dry_run=dry_run, verbose=verbose))


@click.command(
    epilog=examples(
        'release rollback production --reason "false detections"',
        'release rollback production --now --reason "no detections"',
    )
)
@registry_options
@click.argument("environment")
@click.option(
    "--to",
    "digest",
    help="Digest of the release, or its beginning; with --now also the id of a deployment.  "
    "[default: the last other verified release]",
)
@click.option("--reason", required=True, help="The reason, stored in the audit log.")
@click.option(
    "--now",
    is_flag=True,
    help="Deploy the stored release to the fleet at once, without CloudFormation; the pin stays.",
)
@click.option(
    "--dry-run", is_flag=True, help="Check everything, print what would happen, change nothing."
)
@_VERBOSE
@json_option
def rollback(
    registry: "Registry",
    environment: str,
    digest: str | None,
    reason: str,
    *,
    now: bool,
    dry_run: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Return ENVIRONMENT to a release that its cameras verified before.

    The command changes the pin; `cdk deploy` deploys the release. In an emergency, --now first
    deploys the stored release to the fleet and waits for the cameras; the next `cdk deploy` deploys
    the pinned release.

    Exit codes: 0 done, 1 refused, or cameras do not run the release (--now), 2 wrong usage or
    input.
    """
    if not reason.strip():
        raise click.UsageError("--reason is empty: expected the reason of the rollback")
    from deeplens.releases.promotion import plan_rollback

    with json_result(as_json=as_json) as document:
        if now:
            result = _deploy_stored(registry, environment, digest, reason, dry_run=dry_run)
        else:
            plan = plan_rollback(registry, environment, digest, reason)
            result = _carry_out(registry, plan, dry_run=dry_run, verbose=verbose)
        document.update(result)


def _deploy_stored(
    registry: "Registry", environment: str, release: str | None, reason: str, *, dry_run: bool
) -> dict[str, Any]:
    """Deploy a stored release and wait for the cameras, unless `dry_run`; return the result."""
    from deeplens.fleet.kept_releases import choose_release
    from deeplens.fleet.rollback import deploy_release
    from deeplens.fleet.session import open_session
    from shared.fleet.deployments import MODEL_TAG
    from shared.fleet.explanation import summarize

    site = open_session(registry.folder, environment, local=registry.accounts.emulator is not None)
    current = site.current()
    chosen = choose_release(site, current, release)
    what = f"{chosen.id} (model {chosen.tags.get(MODEL_TAG, '')}) to {site.thing_group} again"
    result = {
        "environment": environment,
        "deployment": chosen.id,
        "digest": chosen.tags.get(MODEL_TAG),
        "changed": not dry_run,
    }
    if dry_run:
        click.echo(f"would deploy {what}")
        return result
    seconds = site.environment.rollout.wait_seconds
    click.echo(f"deploys {what}, and waits up to {seconds} s for the cameras")
    status = summarize(deploy_release(site, current, chosen, reason))
    click.echo(status)
    click.echo(f"next: deeplens release rollback {environment} changes the pin")
    return {**result, "status": status}


def _carry_out(
    registry: "Registry", plan: "PromotionPlan", *, dry_run: bool, verbose: bool
) -> dict[str, Any]:
    """Print the plan, apply it unless `dry_run` is true, and return the result."""
    from deeplens.releases.promotion import apply

    for line in plan.diff:
        click.echo(line)
    for line in _what_differs(registry, plan, verbose=verbose):
        echo(line)
    click.echo(f"verified by {plan.move.source}: {plan.move.evidence}")
    result = {
        "environment": plan.target.name,
        "before": plan.move.before,
        "after": plan.move.after,
        "evidence": plan.move.evidence,
        "changed": not dry_run,
    }
    if dry_run:
        click.echo("dry run: nothing was changed")
        return result
    move = apply(registry, plan)
    click.echo(f"recorded in {registry.audit_log} as {move.hash[:12]}…")
    click.echo(f"next: commit both, then `cdk deploy '{plan.target.name}/*'`")
    return {**result, "hash": move.hash}


def _what_differs(registry: "Registry", plan: "PromotionPlan", *, verbose: bool) -> list[str]:
    """Return lines with the differences from the previous release, or a notice if it is absent."""
    from deeplens.releases.status import differences_between, release_card
    from model_tools.errors import SourceError

    try:
        old, new = (release_card(registry, one) for one in (plan.move.before, plan.move.after))
    except SourceError:
        return ["the previous release is not in this checkout, so nothing is compared"]
    found = differences_between(old, new)
    return differences(
        {name: pair for name, pair in found.items() if name not in {"digest", "pinned by"}},
        verbose=verbose,
    )


def differences(found: Mapping[str, Sequence[str | None]], *, verbose: bool) -> list[str]:
    """Return a line for each important value that differs, and the number of other differences.

    If `verbose` is true, or no important value differs, return a line for each value that differs.
    """
    first = [name for name in _FIRST if name in found]
    others = [name for name in found if name not in first]
    lines = [
        f"{name}: {found[name][0] or '—'} → {found[name][1] or '—'}"
        for name in [*first, *(others if verbose or not first else [])]
    ]
    if others and first and not verbose:
        lines.append(f"values that also differ: {len(others)}; --verbose shows them")
    return lines
