"""`deeplens fleet doctor`: check the requirements of deploys and devices."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deeplens.cli.fleet.listing import clean, columns, echo
from deeplens.cli.options import (
    environment_argument,
    environments_option,
    examples,
    json_option,
    local_option,
)

if TYPE_CHECKING:
    from deeplens.fleet.doctor import Finding

_BLOCKED = 4
_COLOURS = {"ok": "green", "warning": "yellow", "blocked": "red", "not checked": "bright_black"}


@click.command(
    epilog=examples("fleet doctor dev", "fleet doctor dev --device camera-17 --local"),
)
@environment_argument
@click.option("--device", "thing", metavar="THING", help="Check this device, too.")
@click.option(
    "--models",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("models"),
    show_default=True,
    help="Folder of the model artifacts.",
)
@environments_option
@local_option
@json_option
def doctor(
    environment: str,
    thing: str | None,
    models: Path,
    environments: Path,
    *,
    local: bool,
    as_json: bool,
) -> None:
    """Check the account, the stacks and the release of ENVIRONMENT, and a device if one is given.

    Nothing is changed. Each line has a result: ok, warning, blocked (a deploy or the device cannot
    work), or not checked. If the result is not ok, the line has the reason and, if one exists, the
    command that repairs it.

    Exit codes: 0 nothing blocks, 1 failed, 2 wrong usage or input, 4 something blocks.
    """
    from deeplens.fleet.doctor import (
        Finding,
        Outcome,
        Patient,
        examine,
    )
    from deeplens.fleet.errors import FleetError
    from deeplens.fleet.provision import require_thing_name
    from deeplens.fleet.session import open_session

    if thing is not None:
        require_thing_name(thing)
    try:
        site = open_session(environments, environment, local=local)
    except FleetError as error:
        findings = [Finding("identity", Outcome.BLOCKED, str(error))]
    else:
        findings = list(examine(Patient(site, models, local), thing))
    if as_json:
        document = {
            "environment": environment,
            "findings": [asdict(finding) for finding in findings],
        }
        click.echo(json.dumps(document, indent=1))
    else:
        for line in report(findings):
            echo(line)
    if any(finding.outcome == Outcome.BLOCKED for finding in findings):
        raise SystemExit(_BLOCKED)


def report(findings: list["Finding"]) -> Iterator[str]:
    """Yield a heading, one line per finding, and a summary."""
    rows = [
        [
            finding.outcome,
            finding.check,
            finding.text + (f"; repair: {finding.repair}" if finding.repair else ""),
        ]
        for finding in findings
    ]
    heading, *lines = columns(["RESULT", "CHECK", "DETAIL"], rows)
    yield heading
    for line, finding in zip(lines, findings, strict=True):
        outcome = clean(finding.outcome)
        yield click.style(outcome, fg=_COLOURS[finding.outcome]) + line.removeprefix(outcome)
    numbers = Counter(str(finding.outcome) for finding in findings)
    yield ", ".join(f"{numbers[outcome]} {outcome}" for outcome in _COLOURS if numbers[outcome])
