"""The `fleet` command: one module per subcommand."""

import click

from fleet_tools.provision import provision
from fleet_tools.retire import retire


@click.group()
def main() -> None:
    """Devices of an environment's fleet.

    Credentials and Region are those of the AWS tools; AWS_ENDPOINT_URL leads to the embedded AWS.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """


main.add_command(provision)
main.add_command(retire)
