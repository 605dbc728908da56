"""`fleet project`: the project's deployments, newest first: what is kept, proven, stopped."""

import json
import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from deeplens_project import deployments
from deeplens_project.deployments import BY_HAND_TAG, MODEL_TAG, PROVEN_TAG, STOPPED_TAG
from fleet_tools.site import environment_argument, environments_option, open_site


@click.command()
@environment_argument
@environments_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def project(environment: str, environments: Path, *, as_json: bool) -> None:
    """Show the releases of ENVIRONMENT's project that are kept, and what each proved."""
    site = open_site(environments, environment)
    site.current()
    listed = [_summary(one) for one in deployments.history(site.greengrass, site.target_arn)]
    if as_json:
        click.echo(json.dumps({"environment": environment, "deployments": listed}, indent=1))
        return
    table = Table(title=f"{site.thing_group}: deployments, newest first")
    for heading in ("deployment", "created", "status", "model", "what is known of it"):
        table.add_column(heading, overflow="fold")
    for one in listed:
        known = [one["stopped"] and f"stopped: {one['stopped']}", one["by_hand"], one["proven"]]
        table.add_row(
            one["id"], one["created"], one["status"], (one["model_digest"] or "-")[:12],
            "; ".join(text for text in known if text) or "not proven",
        )  # fmt: skip
    Console().print(table)


def _summary(one: deployments.Deployment) -> dict[str, Any]:
    return {
        "id": one.id,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.created_at)),
        "status": one.status,
        "model_digest": one.tags.get(MODEL_TAG),
        "proven": one.tags.get(PROVEN_TAG),
        "stopped": one.tags.get(STOPPED_TAG),
        "by_hand": one.tags.get(BY_HAND_TAG),
    }
