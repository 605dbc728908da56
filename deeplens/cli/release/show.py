"""Commands that show and check releases."""

import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from deeplens.cli.options import examples, json_option
from deeplens.cli.output import json_result
from deeplens.cli.release.options import registry_options
from model_tools.cli.options import FiniteRange

if TYPE_CHECKING:
    from deeplens.releases.promotion import Registry


@click.command("list", epilog=examples("release list --offline"))
@registry_options
@click.option("--offline", is_flag=True, help="Do not ask AWS: pins only.")
@json_option
def list_(registry: "Registry", *, offline: bool, as_json: bool) -> None:
    """Show each environment's pinned release, and its deployed release with the verification.

    Exit codes: 0 shown, 1 an account could not be queried (the others are shown), 2 wrong usage.
    """
    from deeplens.releases.status import environment_statuses

    found = environment_statuses(registry, offline=offline)
    if as_json:
        click.echo(json.dumps([one.to_document() for one in found], indent=2))
    for one in found if not as_json else ():
        alias = f", {one.alias}" if one.alias else ""
        click.echo(f"{one.environment} ({one.account}, {one.region}{alias})")
        click.echo(f"  pins   {one.model} {one.version}  {one.pinned[:12]}…")
        click.echo(f"  fleet  {one.summary}")
    if any(one.error for one in found):
        sys.exit(1)


@click.command(epilog=examples("release show 63870608"))
@registry_options
@click.argument("digest")
@click.option("--provenance", is_flag=True, help="Print its in-toto provenance statement instead.")
@click.option("--sbom", is_flag=True, help="Print its CycloneDX bill of materials instead.")
@json_option
def show(registry: "Registry", digest: str, *, provenance: bool, sbom: bool, as_json: bool) -> None:
    """Show manifest, parity, provenance and pins of the release DIGEST (or its beginning)."""
    if provenance or sbom:
        from deeplens.releases.artifacts import document_of

        name = "provenance.intoto.json" if provenance else "sbom.cdx.json"
        click.echo(document_of(registry.models, digest, name), nl=False)
        return
    from deeplens.releases.status import release_card

    found = release_card(registry, digest)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    width = max(map(len, found))
    for name, value in found.items():
        click.echo(f"{name:{width}}  {value}")


@click.command(epilog=examples("release diff dev production"))
@registry_options
@click.argument("before")
@click.argument("after")
@json_option
def diff(registry: "Registry", before: str, after: str, *, as_json: bool) -> None:
    """Compare two releases. BEFORE and AFTER are digests, their beginnings, or environments."""
    from deeplens.releases.status import differences_between, digest_of, release_card

    old, new = (release_card(registry, digest_of(registry, one)) for one in (before, after))
    found = differences_between(old, new)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, (was, is_) in found.items():
        click.echo(f"{name}: {was or '—'} → {is_ or '—'}")
    if not found:
        click.echo("the same release")


@click.command(epilog=examples("release compare production"))
@registry_options
@click.argument("champion")
@json_option
def compare(registry: "Registry", champion: str, *, as_json: bool) -> None:
    """Compare the current metrics of the cameras of CHAMPION and of its challenger."""
    from deeplens.config import find_challenger, find_environment, load_environments
    from deeplens.releases.compare import compare_fleets

    environments = load_environments(registry.folder)
    pair = (find_environment(environments, champion), find_challenger(environments, champion))
    found = compare_fleets(registry.accounts, *pair)
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    click.echo(f"{'':18}{pair[0].name + ' (champion)':>28}{pair[1].name + ' (challenger)':>28}")
    for one in found:
        click.echo(f"{one.name:18}{one.champion:>28}{one.challenger:>28}")


@click.command(epilog=examples("release check staging --bake-minutes 30"))
@registry_options
@click.argument("environment")
@click.option("--digest", help="The release that was delivered.  [default: what is pinned]")
@click.option(
    "--bake-minutes",
    type=FiniteRange(0, 360),
    default=0.0,
    show_default=True,
    help="How long the release must stay verified.",
)
@click.option("--assume-role", metavar="ARN", help="Ask as this role of the environment's account.")
@json_option
def check(
    registry: "Registry",
    environment: str,
    digest: str | None,
    bake_minutes: float,
    assume_role: str | None,
    *,
    as_json: bool,
) -> None:
    """Check that ENVIRONMENT's cameras verified the release, also during the bake time.

    If the environment trusts keys, the signature of the pinned release is checked first.

    Exit codes: 0 verified, 1 not verified, 2 wrong usage or input.
    """
    from deeplens.config import find_environment, load_environments
    from deeplens.releases.gate_check import check_gate
    from deeplens.releases.signature_check import check_signed_pin

    chosen = find_environment(load_environments(registry.folder), environment)
    digest = digest or chosen.model.digest
    accounts = replace(registry.accounts, role=assume_role)
    with json_result(as_json=as_json) as document:
        if signed := check_signed_pin(chosen, registry.models):
            click.echo(f"{environment} pins release {signed.release}, signed by {signed.key[:12]}…")
        if bake_minutes:
            click.echo(f"baking {environment} for {bake_minutes:g} minutes")
        evidence = check_gate(accounts, chosen, digest, bake_seconds=bake_minutes * 60)
        document.update(environment=environment, digest=digest, evidence=evidence)
        click.echo(f"{environment}: verified: {evidence}")


@click.command(epilog=examples("release history --against origin/main"))
@registry_options
@click.option("--against", metavar="REF", help="Check that the log begins with its content at REF.")
@json_option
def history(registry: "Registry", *, against: str | None, as_json: bool) -> None:
    """Print every promotion and rollback, and verify the audit log.

    The checks are the chain of hashes, the pins, and the content at a commit (--against).
    """
    from deeplens.config import load_environments
    from deeplens.releases.audit_log import check_grows_from, read_history
    from deeplens.releases.promotion import check_pins

    moves = read_history(registry.audit_log)
    check_pins(registry.audit_log, load_environments(registry.folder))
    if against is not None:
        check_grows_from(registry.audit_log, against)
    if as_json:
        click.echo(json.dumps([asdict(move) for move in moves], indent=2))
        return
    for move in moves:
        way = f"{move.source} → {move.environment}" if move.kind == "promote" else move.environment
        click.echo(f"{move.at}  {move.kind:8}  {way}: {move.before[:12]}… → {move.after[:12]}…")
        click.echo(f"    by {move.who}; verified: {move.evidence}")
        if move.reason:
            click.echo(f"    because: {move.reason}")
    click.echo(f"{len(moves)} moves; the audit log is valid, and each pin is that of its last move")


@click.command(epilog=examples("release approvals --last 3"))
@registry_options
@click.option(
    "--last", type=click.IntRange(1), help="Print only this number of the newest executions."
)
@json_option
def approvals(registry: "Registry", *, last: int | None, as_json: bool) -> None:
    """Print the pipeline's executions: approvals with person and time, and results."""
    from deeplens.releases.executions import RECORD, ask_pipeline, read_record

    if registry.accounts.emulator:
        found = read_record(RECORD)
    else:
        found = ask_pipeline(
            registry.accounts, registry.folder.parent / "delivery.toml", registry.folder
        )
    shown = found[-last:] if last else found
    if as_json:
        click.echo(json.dumps([asdict(one) for one in shown], indent=2))
        return
    for one in shown:
        first, *_ = one.outcome.splitlines() or [""]
        click.echo(f"{one.ended_at}  {first}")
        for given in one.approvals:
            click.echo(f"    {given.answer} by {given.who}, {given.at}: {given.text}")
            if given.note:
                click.echo(f"    {given.note}")
    click.echo(f"{len(found)} executions")
