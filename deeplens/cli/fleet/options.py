"""Arguments and options that several commands of `deeplens fleet` share."""

from pathlib import Path

import click

DEVICES = Path(".local") / "devices"

thing_argument = click.argument("thing")
wide_option = click.option(
    "--wide", is_flag=True, help="Show every column, with absolute times and complete digests."
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder of the device's files.  [default: {DEVICES}/ENVIRONMENT/THING]",
)
reason_option = click.option("--reason", required=True, help="The reason, stored with the release.")
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print what would happen, and change nothing."
)
