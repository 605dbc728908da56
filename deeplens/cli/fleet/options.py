"""Arguments and options that several commands share."""

from pathlib import Path

import click


def examples(*lines: str) -> str:
    """Return the epilog of a command's help that shows how it is called."""
    # The first line is click's mark for text that is not wrapped.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


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
    "--json", "as_json", is_flag=True, help="Print one JSON document, for programs."
)
local_option = click.option(
    "--local", is_flag=True, help="Use the local emulator of this checkout instead of AWS."
)
wide_option = click.option(
    "--wide", is_flag=True, help="Show every column, with absolute times and whole digests."
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
