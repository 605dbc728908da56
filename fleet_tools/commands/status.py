"""`fleet status`: a table of what runs where."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleet_tools.commands.options import environment_argument, environments_option, json_option

if TYPE_CHECKING:
    from rich.table import Table

    from fleet_tools.status import Row

_DRIFTED = 4
_SHORT = 12


@click.command()
@environment_argument
@environments_option
@json_option
def status(environment: str, environments: Path, *, as_json: bool) -> None:
    """Show what each camera of ENVIRONMENT runs, by its own word.

    Exit codes: 0 all as planned, 1 failed, 2 wrong usage, 4 a device that can be reached is not.
    """
    from deeplens_project.deployments import MODEL_TAG
    from fleet_tools.site import open_site
    from fleet_tools.status import look

    site = open_site(environments, environment)
    current = site.current()
    rows = look(site, current, time.time())
    wanted, pinned = current.tags.get(MODEL_TAG), site.environment.model.digest
    if as_json:
        document = {
            "environment": environment,
            "deployment": current.id,
            "wanted_digest": wanted,
            "pinned_digest": pinned,
            "devices": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(document, indent=1))
    else:
        from rich.console import Console

        Console().print(_table(site.thing_group, rows))
        if wanted != pinned:
            click.echo(
                f"not as planned: the fleet's deployment is for model {wanted}, "
                f"{environment}.toml pins {pinned}"
            )
    if any(row.drift for row in rows if row.standing != "offline"):
        raise SystemExit(_DRIFTED)


def _table(thing_group: str, rows: list["Row"]) -> "Table":
    from rich.table import Table

    table = Table(title=f"{thing_group}: {len(rows)} devices")
    for heading in ("device", "standing", "model", "function", "since", "last frame", "fps", "wave",
                    "not as planned"):  # fmt: skip
        table.add_column(heading, overflow="fold")
    for row in rows:
        since = row.running_since and time.strftime("%m-%d %H:%MZ", time.gmtime(row.running_since))
        table.add_row(
            row.thing,
            row.standing,
            f"{row.model_version or '-'} {(row.model_digest or '')[:_SHORT]}".strip(),
            (row.function or "-").rpartition(":")[2],
            since or "-",
            row.last_frame_at or "-",
            "-" if row.frames_per_second is None else f"{row.frames_per_second:g}",
            row.wave or "-",
            row.drift,
        )
    return table
