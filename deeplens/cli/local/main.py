"""`deeplens local`: the local emulator, deployments to it, and virtual cameras."""

import click

from deeplens.cli.lazy_group import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "demo": "Train, deploy, and watch a virtual camera.",
        "up": "Start the emulator.",
        "down": "Stop the emulator and keep its state.",
        "status": "Print whether the emulator runs, and its addresses.",
        "deploy": "Synthesize and deploy one environment.",
        "diff": "Compare an environment with what is deployed.",
        "camera": "Run a virtual camera of an environment.",
        "watch": "Print the messages of the cameras of an environment.",
        "deliver": "Run the synthesized pipeline, dev to production.",
        "rollback": "Pin and deploy an earlier release.",
        "iris": "Host the iris classifier, call it, destroy it.",
        "env": "Print the variables with which AWS tools use the emulator.",
        "reset": "Delete the emulator's state.",
        "core": "Run and provision virtual core devices.",
        "record": "Record what a real device sends.",
    },
    package="deeplens.cli.local",
    targets={
        "up": "deeplens.cli.local.emulator:up",
        "down": "deeplens.cli.local.emulator:down",
        "status": "deeplens.cli.local.emulator:status",
        "env": "deeplens.cli.local.emulator:env",
        "reset": "deeplens.cli.local.emulator:reset",
        "core": "deeplens.cli.local.emulator:core",
        "record": "deeplens.cli.local.emulator:record",
    },
)
def local() -> None:
    """Operate the local emulator: AWS services on this machine, without an account.

    Exit codes: 0 done, 1 a step failed, 2 wrong usage or input, 3 the emulator is not running,
    130 interrupted.
    """
