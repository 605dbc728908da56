"""`model-tools models promote | crown | rollback`: moving a release."""

from typing import TYPE_CHECKING

import click

from model_tools.commands.registry_options import registry_options

if TYPE_CHECKING:
    from model_tools.registry.moves import Plan, Registry


@click.command()
@registry_options
@click.argument("source")
@click.argument("target")
@click.option(
    "--dry-run", is_flag=True, help="Check everything, say what would happen, do nothing."
)
@click.option("--again", metavar="WHY", help="Also a release that TARGET was taken back from.")
@click.option("--challenger", is_flag=True, help="To the environment that challenges TARGET.")
def promote(
    registry: "Registry",
    source: str,
    target: str,
    again: str | None,
    *,
    dry_run: bool,
    challenger: bool,
) -> None:
    """Make TARGET pin what SOURCE pins, if SOURCE's own cameras proved it."""
    from model_tools.registry.environments import challenger_of, read_environments  # noqa: PLC0415
    from model_tools.registry.moves import plan_promotion  # noqa: PLC0415 - keeps --help fast

    if challenger:
        target = challenger_of(read_environments(registry.folder), target).name
    plan = plan_promotion(registry, source, target, again=(again or "").strip())
    if plan is None:
        click.echo(f"{target} pins what {source} pins already; nothing to do")
        return
    _carry_out(registry, plan, dry_run=dry_run)


@click.command()
@registry_options
@click.argument("champion")
@click.option(
    "--dry-run", is_flag=True, help="Check everything, say what would happen, do nothing."
)
def crown(registry: "Registry", champion: str, *, dry_run: bool) -> None:
    """Make CHAMPION pin what its challenger pins, if the challenger's own cameras proved it."""
    from model_tools.registry.environments import challenger_of, read_environments  # noqa: PLC0415
    from model_tools.registry.moves import plan_promotion  # noqa: PLC0415 - keeps --help fast

    challenger = challenger_of(read_environments(registry.folder), champion).name
    plan = plan_promotion(registry, challenger, champion)
    if plan is None:
        click.echo(f"{champion} pins what {challenger} pins already; nothing to do")
        return
    _carry_out(registry, plan, dry_run=dry_run)


@click.command()
@registry_options
@click.argument("environment")
@click.option("--to", "digest", help="Digest (or its beginning); else the last proven other one.")
@click.option("--reason", required=True, help="Why, for the trail.")
@click.option(
    "--dry-run", is_flag=True, help="Check everything, say what would happen, do nothing."
)
def rollback(
    registry: "Registry", environment: str, digest: str | None, reason: str, *, dry_run: bool
) -> None:
    """Make ENVIRONMENT pin a release again that its own cameras proved before."""
    if not reason.strip():
        raise click.UsageError("--reason: given nothing, expected why, for who reads the trail")
    from model_tools.registry.moves import plan_rollback  # noqa: PLC0415 - keeps --help fast

    plan = plan_rollback(registry, environment, digest, reason)
    _carry_out(registry, plan, dry_run=dry_run)


def _carry_out(registry: "Registry", plan: "Plan", *, dry_run: bool) -> None:
    from model_tools.registry.moves import carry_out  # noqa: PLC0415 - keeps --help fast

    for line in plan.diff:
        click.echo(line)
    for line in _what_differs(registry, plan):
        click.echo(line)
    click.echo(f"proof of {plan.move.source}: {plan.move.evidence}")
    if dry_run:
        click.echo("dry run: nothing was changed")
        return
    move = carry_out(registry, plan)
    click.echo(f"recorded in {registry.trail} as {move.hash[:12]}…")
    click.echo(f"next: commit both, then `cdk deploy '{plan.target.name}/*'`")


def _what_differs(registry: "Registry", plan: "Plan") -> list[str]:
    """Say in what the release differs from the one before, as far as both are here."""
    from model_tools.errors import SourceError  # noqa: PLC0415 - keeps --help fast
    from model_tools.registry.standing import card, differing  # noqa: PLC0415 - as above

    try:
        old, new = (card(registry, one) for one in (plan.move.before, plan.move.after))
    except SourceError:
        return ["the release before is not built here, so nothing is compared"]
    found = differing(old, new)
    return [
        f"{name}: {was or '—'} → {is_ or '—'}"
        for name, (was, is_) in found.items()
        if name not in {"digest", "pinned by"}
    ]
