"""The `fleet` command: one module per subcommand."""

import click

from fleet_tools.project import project
from fleet_tools.provision import provision
from fleet_tools.retire import retire
from fleet_tools.roll_back import roll_back
from fleet_tools.status import status
from fleet_tools.stop import resume, stop
from fleet_tools.timeline import timeline


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Look after the cameras of an environment.

    Credentials are those of the AWS tools, and must be of the environment's account;
    AWS_ENDPOINT_URL leads to the embedded AWS.

    Exit codes: 0 done, 1 failed, 2 wrong usage.
    """


for command in (provision, retire, status, project, timeline, stop, resume, roll_back):
    main.add_command(command)
