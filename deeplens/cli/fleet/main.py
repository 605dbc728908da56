"""The `fleet` command: one module per subcommand."""

import click

from deeplens.cli.fleet.doctor import doctor
from deeplens.cli.fleet.errors import ReportingGroup
from deeplens.cli.fleet.prepare_device import prepare_device
from deeplens.cli.fleet.project import project
from deeplens.cli.fleet.provision import provision
from deeplens.cli.fleet.retire import retire
from deeplens.cli.fleet.roll_back import roll_back
from deeplens.cli.fleet.status import status
from deeplens.cli.fleet.stop import resume, stop
from deeplens.cli.fleet.teardown import teardown
from deeplens.cli.fleet.timeline import timeline


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
