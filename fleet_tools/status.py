"""`fleet status`: what runs where, since when, and what is not as planned."""

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from deeplens_project.deployments import FUNCTION_TAG, MODEL_TAG, Deployment
from deeplens_project.observations import Heartbeat, Observation
from deeplens_project.verdict import Device, Goal, Rule, judge
from fleet_tools.site import Site, environment_argument, environments_option, open_site

_DRIFTED = 4
_SHORT = 12


@dataclass(frozen=True)
class Row:
    """One device: what it says itself, and how that compares with the plan."""

    thing: str
    standing: str
    status: str
    model_version: str | None
    model_digest: str | None
    function: str | None
    running_since: float | None
    last_frame_at: str | None
    frames_per_second: float | None
    wave: str | None
    drift: str


@click.command()
@environment_argument
@environments_option
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def status(environment: str, environments: Path, *, as_json: bool) -> None:
    """Show what each camera of ENVIRONMENT runs, by its own word.

    Exit codes: 0 all as planned, 1 failed, 2 wrong usage, 4 a device that can be reached is not.
    """
    site = open_site(environments, environment)
    current = site.current()
    rows = look(site, current, time.time())
    if as_json:
        wanted = current.tags.get(MODEL_TAG)
        document = {
            "environment": environment,
            "deployment": current.id,
            "wanted_digest": wanted,
            "pinned_digest": site.environment.model.digest,
            "devices": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(document, indent=1))
    else:
        Console().print(_table(site, rows))
        if current.tags.get(MODEL_TAG) != site.environment.model.digest:
            click.echo(
                f"the fleet's deployment is for model {current.tags.get(MODEL_TAG)}, "
                f"{environment}.toml pins {site.environment.model.digest}"
            )
    if any(row.drift for row in rows if row.standing != "offline"):
        raise SystemExit(_DRIFTED)


def look(site: Site, current: Deployment, now: float) -> list[Row]:
    """Ask about every device, and compare it with the fleet's current deployment."""
    things = site.fleet.things(site.thing_group)
    answers = site.fleet.heartbeats(things)
    observations: list[Observation] = [one for answer in answers.values() for one in answer]
    observations += site.fleet.joined()
    observations += site.fleet.job_executions(current.job_id, current.id)
    goal = Goal(
        current.id, current.created_at, now, now, current.tags.get(MODEL_TAG),
        current.tags.get(FUNCTION_TAG),
    )  # fmt: skip
    rule = Rule(offline_after_seconds=site.environment.rollout.offline_after_seconds)
    waves = _waves(site)
    verdict = judge(goal, rule, things, observations, now)
    beats = {one.thing: one for one in observations if isinstance(one, Heartbeat)}
    return [_row(one, beats.get(one.thing), waves.get(one.thing)) for one in verdict.devices]


def _row(device: Device, beat: Heartbeat | None, wave: str | None) -> Row:
    return Row(
        thing=device.thing,
        standing=device.standing,
        status=beat.status if beat else "never heard of",
        model_version=beat.model_version if beat else None,
        model_digest=beat.model_digest if beat else None,
        function=beat.function_arn if beat else None,
        running_since=beat.started_at if beat else None,
        last_frame_at=beat.last_frame_at if beat else None,
        frames_per_second=beat.frames_per_second if beat else None,
        wave=wave,
        drift=device.reason,
    )


def _waves(site: Site) -> dict[str, str]:
    """Name the first wave of each device that is in one."""
    found: dict[str, str] = {}
    for number, wave in enumerate(site.environment.rollout.waves, start=1):
        group = wave.thing_group or f"{site.thing_group}-wave-{number}"
        try:
            members = site.fleet.things(group)
        except site.fleet.iot.exceptions.ResourceNotFoundException:
            continue
        for thing in members:
            found.setdefault(thing, str(number))
    return found


def _table(site: Site, rows: list[Row]) -> Table:
    table = Table(title=f"{site.thing_group}: {len(rows)} devices")
    for heading in ("device", "standing", "model", "function", "since", "last frame", "fps", "wave",
                    "not as planned"):  # fmt: skip
        table.add_column(heading, overflow="fold")
    for row in rows:
        digest = (row.model_digest or "")[:_SHORT]
        since = row.running_since and time.strftime("%m-%d %H:%MZ", time.gmtime(row.running_since))
        table.add_row(
            row.thing,
            row.standing,
            f"{row.model_version or '-'} {digest}".strip(),
            (row.function or "-").rpartition(":")[2],
            since or "-",
            row.last_frame_at or "-",
            "-" if row.frames_per_second is None else f"{row.frames_per_second:g}",
            row.wave or "-",
            row.drift,
        )
    return table
