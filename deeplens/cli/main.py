"""The command `deeplens`."""

import click

from deeplens.cli.errors import OperatorGroup
from deeplens.cli.lazy_group import LazyGroup

CONTEXT = {"help_option_names": ["-h", "--help"]}


class _Root(OperatorGroup, LazyGroup):
    """The root group, which reports errors, and imports a group when one of its commands runs."""


@click.group(
    cls=_Root,
    context_settings=CONTEXT,
    lazy={
        "model": "Inspect, freeze, package, verify and serve models.",
        "release": "Pin, promote, roll back and sign releases.",
        "fleet": "Provision devices, show their status, stop a rollout.",
        "env": "Create and check environment files; pin device packages.",
        "review": "Show the changes of the working tree in every environment.",
        "local": "Deploy to the local emulator and run virtual cameras.",
    },
    targets={
        "model": "model_tools.cli.main:main",
        "release": "deeplens.cli.release.main:release",
        "fleet": "deeplens.cli.fleet.main:fleet",
        "env": "deeplens.cli.env.main:env",
        "review": "deeplens.review.cli:main",
        "local": "deeplens.cli.local.main:local",
    },
    epilog="\b\nExamples:\n"
    "  deeplens local demo\n"
    "  deeplens model inspect my_model\n"
    "  deeplens release promote dev staging --dry-run\n"
    "  deeplens fleet status production",
)
@click.version_option(package_name="deeplens-tensorflow")
def main() -> None:
    """Bring TensorFlow vision models onto a fleet of cameras.

    Exit codes: 0 done, 1 the work failed, 2 wrong usage or input, 3 the emulator is not running,
    4 a result that the command documents, 130 interrupted.
    """
