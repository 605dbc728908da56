"""`fleet project`: the project's deployments, newest first."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from fleet_tools.commands.options import environment_argument, environments_option, json_option

_SHORT = 12


@click.command()
@environment_argument
@environments_option
@json_option
def project(environment: str, environments: Path, *, as_json: bool) -> None:
    """Show the releases of ENVIRONMENT's project that are kept, and what each proved."""
    from fleet_tools.releases import kept
    from fleet_tools.site import open_site

    site = open_site(environments, environment)
    site.current()
    releases = kept(site)
    if as_json:
        document = {"environment": environment, "deployments": [asdict(one) for one in releases]}
        click.echo(json.dumps(document, indent=1))
        return

    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{site.thing_group}: deployments, newest first")
    for heading in ("deployment", "created", "status", "model", "what is known of it"):
        table.add_column(heading, overflow="fold")
    for one in releases:
        stopped = f"stopped: {one.stopped}" if one.stopped else None
        rolled_back = f"rolled back to: {one.rolled_back}" if one.rolled_back else None
        known = "; ".join(text for text in (stopped, one.by_hand, one.proven, rolled_back) if text)
        table.add_row(
            one.id, one.created, one.status, (one.model_digest or "-")[:_SHORT],
            known or "not proven",
        )  # fmt: skip
    Console().print(table)
