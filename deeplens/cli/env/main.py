"""`deeplens env`: the commands about environment files."""

import click

from deeplens.cli.lazy_group import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "new": "Create an environment file.",
        "check": "Check every environment file.",
        "reference": "Rewrite the reference of all keys.",
        "runtime": "Build and pin the Python packages of devices.",
        "plan": "Write the plan of a deploy, or compare with it.",
    },
    package="deeplens.cli.env",
    targets={
        "plan": "deeplens.review.plan:main",
    },
)
def env() -> None:
    """Create, check and plan environments; build the Python packages of devices.

    Exit codes: 0 done, 1 failed, 2 wrong usage or input, 130 interrupted.
    """
