"""Arguments and options that several commands share."""

from pathlib import Path

import click

DEVICES = Path(".local") / "devices"

environment_argument = click.argument("environment")
thing_argument = click.argument("thing")
environments_option = click.option(
    "--environments",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("environments"),
    show_default=True,
    help="Folder of the environment files.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document, for machines."
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder of the device's files; else {DEVICES}/ENVIRONMENT/THING.",
)
reason_option = click.option("--reason", required=True, help="For those who read it later.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would happen, do nothing.")
