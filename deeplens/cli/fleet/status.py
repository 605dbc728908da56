"""`deeplens fleet status`: list the release that each device runs."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deeplens.cli.fleet.listing import (
    ago,
    clean,
    coloured,
    columns,
    count,
    echo,
    seconds_of,
    size,
    stamp,
)
from deeplens.cli.fleet.options import wide_option
from deeplens.cli.options import (
    environment_argument,
    environments_option,
    examples,
    json_option,
    local_option,
)

if TYPE_CHECKING:
    from deeplens.fleet.status import DeviceStatus

_DRIFTED = 4
_SHORT = 12


@click.command(epilog=examples("fleet status production", "fleet status dev --local --wide"))
@environment_argument
@wide_option
@environments_option
@local_option
@json_option
def status(environment: str, environments: Path, *, wide: bool, local: bool, as_json: bool) -> None:
    """Show the release that each camera of ENVIRONMENT reports.

    Exit codes: 0 all as planned, 1 failed, 2 wrong usage or input, 4 a reachable device does not
    run the planned release.
    """
    from deeplens.fleet.session import open_session
    from deeplens.fleet.status import fleet_status
    from deeplens.fleet.stop import current_deployments
    from shared.fleet.deployments import MODEL_TAG, STOPPED_TAG

    site = open_session(environments, environment, local=local)
    current = site.current()
    now = time.time()
    rows = fleet_status(site, current, now)
    wanted, pinned = current.tags.get(MODEL_TAG), site.environment.model.digest
    stops = (one.tags.get(STOPPED_TAG) for one in current_deployments(site))
    stopped = next((reason for reason in stops if reason), None)
    if as_json:
        document = {
            "environment": environment,
            "deployment": current.id,
            "deployed_at": stamp(current.created_at),
            "wanted_digest": wanted,
            "pinned_digest": pinned,
            "stopped": stopped,
            "devices": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(document, indent=1))
    else:
        if stopped:
            echo(
                f"the release is stopped: {clean(stopped)}; `deeplens fleet resume {environment}"
                f"{' --local' if local else ''}` allows its deployment again"
            )
        for line in report(site.thing_group, rows, now, wide=wide):
            echo(line)
        if wanted != pinned:
            echo(
                f"not as planned: the fleet's deployment is for model {wanted}, "
                f"{environment}.toml pins {pinned}"
            )
    if any(row.drift for row in rows if row.standing != "offline"):
        raise SystemExit(_DRIFTED)


def report(
    thing_group: str, rows: list["DeviceStatus"], now: float, *, wide: bool
) -> Iterator[str]:
    """Yield a summary, a heading, a line for each device, and the devices with deviations.

    Without devices, the summary is the only line.
    """
    states = Counter(row.standing for row in rows)
    summary = ", ".join(f"{number} {state}" for state, number in states.items())
    yield f"{thing_group}: {count(len(rows), 'device')}{f', {summary}' if summary else ''}"
    if not rows:
        return
    headings = ["DEVICE", "STATE", "MODEL", "SINCE", "LAST FRAME", "FPS"]
    headings += ["FUNCTION", "WAVE", "DISK FREE", "MEMORY FREE"] if wide else []
    heading, *lines = columns(headings, [_cells(row, now, wide=wide) for row in rows])
    yield heading
    for row, line in zip(rows, lines, strict=True):
        yield coloured(line, row.standing)
    drifted = [row for row in rows if row.drift]
    if drifted:
        yield "not as planned:"
        yield from (f"  {row.thing}: {clean(row.drift)}" for row in drifted)


def _cells(row: "DeviceStatus", now: float, *, wide: bool) -> list[str]:
    last_frame = seconds_of(row.last_frame_at)
    digest = (row.model_digest or "")[: None if wide else _SHORT]
    cells = [
        row.thing,
        row.standing,
        f"{row.model_version or '-'} {digest}".strip(),
        stamp(row.running_since) if wide else ago(row.running_since, now),
        stamp(last_frame) if wide else ago(last_frame, now),
        "-" if row.frames_per_second is None else f"{row.frames_per_second:g}",
    ]
    if wide:
        cells += [
            (row.function or "-").rpartition(":")[2],
            row.wave or "-",
            size(row.disk_free_bytes),
            size(row.memory_available_bytes),
        ]
    return cells
