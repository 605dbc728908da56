"""`deeplens fleet`: the commands about devices and their releases."""

import click

from deeplens.cli.lazy_group import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "doctor": "Check that an environment can be deployed.",
        "provision": "Register a device, write its files.",
        "prepare-device": "Write the script that sets up a device.",
        "status": "Show the release that each device runs.",
        "releases": "Show the stored releases.",
        "timeline": "Show the waves of a rollout over time.",
        "stop": "Stop a rollout that is running.",
        "resume": "Allow a stopped release again.",
        "retire": "Remove a device from the fleet.",
        "teardown": "Delete everything of an environment.",
    },
    package="deeplens.cli.fleet",
    targets={
        "resume": "deeplens.cli.fleet.stop:resume",
    },
)
def fleet() -> None:
    """Manage the cameras of an environment.

    Credentials for the environment's account are found as in the AWS CLI; `--local` uses the
    emulator of this checkout (`deeplens local up`) instead.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input, 4 `status`: a reachable device does not
    run the planned release, `doctor`: something blocks a deploy, `teardown`: objects remain.
    """
