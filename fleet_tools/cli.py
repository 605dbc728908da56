"""The `fleet` command: one module per subcommand."""

import click

from fleet_tools.commands.doctor import doctor
from fleet_tools.commands.errors import ReportingGroup
from fleet_tools.commands.prepare_device import prepare_device
from fleet_tools.commands.project import project
from fleet_tools.commands.provision import provision
from fleet_tools.commands.retire import retire
from fleet_tools.commands.roll_back import roll_back
from fleet_tools.commands.status import status
from fleet_tools.commands.stop import resume, stop
from fleet_tools.commands.teardown import teardown
from fleet_tools.commands.timeline import timeline


@click.group(cls=ReportingGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="deeplens-tensorflow")
def main() -> None:
    """Manage the cameras of an environment.

    Credentials are those of the AWS tools, and must be of the environment's account; `--local`
    uses the emulator of this checkout (`make local-up`) instead.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input, 4 `fleet status`: a reachable device does
    not run what is planned, `fleet doctor`: something blocks a deploy.
    """


for command in (
    doctor,
    provision,
    prepare_device,
    retire,
    status,
    project,
    timeline,
    stop,
    resume,
    roll_back,
    teardown,
):
    main.add_command(command)
