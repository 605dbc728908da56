"""`deeplens fleet releases`: list the project's deployments, newest first."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deeplens.cli.fleet.listing import (
    ago,
    clean,
    columns,
    count,
    echo,
    seconds_of,
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
    from deeplens.fleet.kept_releases import KeptRelease

_SHORT = 12


@click.command(epilog=examples("fleet releases production"))
@environment_argument
@wide_option
@environments_option
@local_option
@json_option
def releases(
    environment: str, environments: Path, *, wide: bool, local: bool, as_json: bool
) -> None:
    """Show the stored releases of ENVIRONMENT's project, and their verification.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input.
    """
    from deeplens.fleet.kept_releases import kept_releases
    from deeplens.fleet.session import open_session

    site = open_session(environments, environment, local=local)
    site.current()
    releases = kept_releases(site)
    if as_json:
        document = {"environment": environment, "deployments": [asdict(one) for one in releases]}
        click.echo(json.dumps(document, indent=1))
        return
    for line in report(site.thing_group, releases, time.time(), wide=wide):
        echo(line)


def report(
    thing_group: str, releases: list["KeptRelease"], now: float, *, wide: bool
) -> Iterator[str]:
    """Yield headings, and two lines for each release: its data, and its verification or notes.

    If `wide` is true, each release has one line.
    """
    yield f"{thing_group}: {count(len(releases), 'deployment')}, newest first"
    if not releases:
        return
    headings = ["DEPLOYMENT", "CREATED", "STATUS", "MODEL"]
    notes = [_known(one) for one in releases]
    rows = [
        [
            one.id,
            one.created if wide else ago(seconds_of(one.created), now),
            one.status,
            (one.model_digest or "-")[: None if wide else _SHORT],
        ]
        for one in releases
    ]
    if wide:
        rows = [[*row, note] for row, note in zip(rows, notes, strict=True)]
        yield from columns([*headings, "KNOWN"], rows)
        return
    heading, *lines = columns(headings, rows)
    yield heading
    for line, note in zip(lines, notes, strict=True):
        yield line
        yield f"  {note}"


def _known(one: "KeptRelease") -> str:
    stopped = f"stopped: {one.stopped}" if one.stopped else None
    rolled_back = f"rolled back to: {one.rolled_back}" if one.rolled_back else None
    retry = f"second attempt: {one.retry}" if one.retry else None
    notes = (stopped, one.by_hand, one.proven, rolled_back, retry)
    known = "; ".join(text for text in notes if text)
    return clean(known) or "not verified by a device"
