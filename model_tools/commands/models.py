"""`model-tools models`: which release is where, and moving one."""

import functools
import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from model_tools.commands.options import json_option

if TYPE_CHECKING:
    from model_tools.registry.moves import Plan, Registry

EMBEDDED = Path(".local/aws/endpoint.json")


@click.group()
def models() -> None:
    """Which release is where, and moving one: promote, roll back, and the trail of it.

    Environment files pin releases; a move changes one pin and adds a line to
    environments/promotions.jsonl, both for review in git. Nothing is deployed.
    """


def _registry_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Pass a `Registry`, made from options that all commands have."""

    @click.option(
        "--environments",
        type=click.Path(path_type=Path),
        default=Path("environments"),
        show_default=True,
        help="Folder of environment files.",
    )
    @click.option(
        "--models",
        "artifacts",
        type=click.Path(path_type=Path),
        default=Path("models"),
        show_default=True,
        help="Folder of artifacts.",
    )
    @click.option("--local", is_flag=True, help="Ask the embedded AWS of this checkout.")
    @functools.wraps(command)
    def with_registry(*, environments: Path, artifacts: Path, local: bool, **rest: Any) -> None:
        # Imported late: keeps --help fast.
        from model_tools.registry.cloud import Cloud  # noqa: PLC0415
        from model_tools.registry.moves import Registry  # noqa: PLC0415

        cloud = Cloud(EMBEDDED if local else None)
        command(Registry(environments, artifacts, cloud, _who, _now), **rest)

    return with_registry


@models.command("list")
@_registry_options
@click.option("--offline", is_flag=True, help="Do not ask AWS: pins only.")
@json_option
def list_(registry: "Registry", *, offline: bool, as_json: bool) -> None:
    """Say what each environment pins, what its fleet has, whether it proved itself, since when."""
    from model_tools.registry.standing import standings  # noqa: PLC0415 - keeps --help fast

    found = standings(registry, offline=offline)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    for one in found:
        click.echo(f"{one.environment} ({one.account}, {one.region})")
        click.echo(f"  pins   {one.model} {one.version}  {one.pinned[:12]}…")
        click.echo(f"  fleet  {one.said}")


@models.command()
@_registry_options
@click.argument("digest")
@click.option("--provenance", is_flag=True, help="Print its in-toto provenance statement instead.")
@click.option("--sbom", is_flag=True, help="Print its CycloneDX bill of materials instead.")
@json_option
def show(registry: "Registry", digest: str, *, provenance: bool, sbom: bool, as_json: bool) -> None:
    """Show the release DIGEST (or its beginning): manifest, parity, provenance, who pins it."""
    if provenance or sbom:
        from model_tools.registry.releases import document_of  # noqa: PLC0415 - as below

        name = "provenance.intoto.json" if provenance else "sbom.cdx.json"
        click.echo(document_of(registry.models, digest, name), nl=False)
        return
    from model_tools.registry.standing import card  # noqa: PLC0415 - keeps --help fast

    found = card(registry, digest)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    width = max(map(len, found))
    for name, value in found.items():
        click.echo(f"{name:{width}}  {value}")


@models.command()
@_registry_options
@click.argument("before")
@click.argument("after")
@json_option
def diff(registry: "Registry", before: str, after: str, *, as_json: bool) -> None:
    """Compare two releases: each BEFORE and AFTER is a digest, its beginning, or an environment."""
    from model_tools.registry.standing import card, digest_of  # noqa: PLC0415 - keeps --help fast

    old, new = (card(registry, digest_of(registry, one)) for one in (before, after))
    differing = {
        name: [old.get(name), new.get(name)]
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    }
    if as_json:
        click.echo(json.dumps(differing, indent=2))
        return
    for name, (was, is_) in differing.items():
        click.echo(f"{name}: {was or '—'} → {is_ or '—'}")
    if not differing:
        click.echo("the same release")


@models.command()
@_registry_options
@click.argument("source")
@click.argument("target")
@click.option(
    "--dry-run", is_flag=True, help="Check everything, say what would happen, do nothing."
)
def promote(registry: "Registry", source: str, target: str, *, dry_run: bool) -> None:
    """Make TARGET pin what SOURCE pins, if SOURCE's own cameras proved it."""
    from model_tools.registry.moves import plan_promotion  # noqa: PLC0415 - keeps --help fast

    plan = plan_promotion(registry, source, target)
    if plan is None:
        click.echo(f"{target} pins what {source} pins already; nothing to do")
        return
    _carry_out(registry, plan, dry_run=dry_run)


@models.command()
@_registry_options
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
    from model_tools.registry.moves import plan_rollback  # noqa: PLC0415 - keeps --help fast

    plan = plan_rollback(registry, environment, digest, reason)
    _carry_out(registry, plan, dry_run=dry_run)


@models.command()
@_registry_options
@click.argument("environment")
@click.option("--digest", help="The release that was delivered.  [default: what is pinned]")
@click.option("--bake-minutes", type=click.FloatRange(0, 360), default=0.0, show_default=True)
@click.option("--assume-role", metavar="ARN", help="Ask as this role of the environment's account.")
def gate(
    registry: "Registry",
    environment: str,
    digest: str | None,
    bake_minutes: float,
    assume_role: str | None,
) -> None:
    """Pass if ENVIRONMENT's project says that the release is proven, and stays so as it bakes."""
    from model_tools.registry.environments import choose, read_environments  # noqa: PLC0415
    from model_tools.registry.gate import hold  # noqa: PLC0415 - keeps --help fast
    from model_tools.registry.signed import check_signed_pin  # noqa: PLC0415 - as above

    chosen = choose(read_environments(registry.folder), environment)
    if signed := check_signed_pin(chosen, registry.models):
        click.echo(f"{environment} pins release {signed.release}, signed by {signed.key[:12]}…")
    cloud = replace(registry.cloud, role=assume_role)
    if bake_minutes:
        click.echo(f"baking {environment} for {bake_minutes:g} minutes")
    proof = hold(cloud, chosen, digest or chosen.digest, bake_seconds=bake_minutes * 60)
    click.echo(f"the gate of {environment} is open: {proof}")


@models.command()
@_registry_options
@click.option("--against", metavar="REF", help="The trail must begin with what it was at REF.")
@json_option
def history(registry: "Registry", *, against: str | None, as_json: bool) -> None:
    """Print every move and verify the trail: its chain, the pins, and git's REF if given."""
    from model_tools.registry.environments import read_environments  # noqa: PLC0415 - as above
    from model_tools.registry.history import check_grows_from, read_history  # noqa: PLC0415
    from model_tools.registry.moves import check_pins  # noqa: PLC0415 - as above

    moves = read_history(registry.trail)
    check_pins(registry.trail, read_environments(registry.folder))
    if against is not None:
        check_grows_from(registry.trail, against)
    if as_json:
        click.echo(json.dumps([asdict(move) for move in moves], indent=2))
        return
    for move in moves:
        way = f"{move.source} → {move.environment}" if move.kind == "promote" else move.environment
        click.echo(f"{move.at}  {move.kind:8}  {way}: {move.before[:12]}… → {move.after[:12]}…")
        click.echo(f"    by {move.who}; proof: {move.evidence}")
        if move.reason:
            click.echo(f"    because: {move.reason}")
    click.echo(f"{len(moves)} moves; the trail is whole, and every pin is its last move's")


def _carry_out(registry: "Registry", plan: "Plan", *, dry_run: bool) -> None:
    from model_tools.registry.moves import carry_out  # noqa: PLC0415 - keeps --help fast

    for line in plan.diff:
        click.echo(line)
    click.echo(f"proof of {plan.move.source}: {plan.move.evidence}")
    if dry_run:
        click.echo("dry run: nothing was changed")
        return
    move = carry_out(registry, plan)
    click.echo(f"recorded in {registry.trail} as {move.hash[:12]}…")
    click.echo(f"next: commit both, then `cdk deploy '{plan.target.name}/*'`")


def _who() -> str:
    """Return the person as git knows them."""
    shown = subprocess.run(
        ["git", "var", "GIT_AUTHOR_IDENT"],  # noqa: S607 - git is found on PATH, as a user's
        capture_output=True,
        text=True,
        check=False,
    )
    # Name <address> seconds zone
    person, closing, _ = shown.stdout.rpartition(">")
    if shown.returncode or not closing:
        raise click.UsageError(
            "git does not know who you are, and the trail names who moved a release: "
            "`git config user.name` and `user.email` set it"
        )
    return f"{person}>"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
