"""Arguments and options that several commands share."""

from pathlib import Path

import click


def examples(*lines: str) -> str:
    """Return the epilog of a command's help, with example calls."""
    # `\b` prevents click from wrapping the following lines.
    return "\b\nExamples:\n" + "\n".join(f"  deeplens {line}" for line in lines)


environment_argument = click.argument("environment")
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
