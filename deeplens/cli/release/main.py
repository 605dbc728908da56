"""`deeplens release`: the commands about releases."""

import click

from deeplens.cli.lazy_group import LazyGroup


@click.group(
    cls=LazyGroup,
    lazy={
        "list": "Show pins, fleets and their status.",
        "show": "Show one release.",
        "diff": "Compare two releases.",
        "compare": "Compare the cameras of champion and challenger.",
        "pin": "Pin an artifact in an environment file.",
        "promote": "Pin the release of one environment in another.",
        "rollback": "Pin or deploy an earlier release.",
        "check": "Check that cameras verified a release.",
        "history": "Print every promotion, and verify the audit log.",
        "approvals": "Print the approvals of the pipeline.",
        "sign": "Sign an artifact.",
        "verify": "Verify the signature of an artifact.",
        "keys": "Create a signing key, show a public key.",
        "sign-code": "Sign the code of an environment's functions.",
    },
    package="deeplens.cli.release",
    targets={
        "list": "deeplens.cli.release.show:list_",
        "diff": "deeplens.cli.release.show:diff",
        "compare": "deeplens.cli.release.show:compare",
        "promote": "deeplens.cli.release.move:promote",
        "rollback": "deeplens.cli.release.move:rollback",
        "check": "deeplens.cli.release.show:check",
        "history": "deeplens.cli.release.show:history",
        "approvals": "deeplens.cli.release.show:approvals",
        "verify": "deeplens.cli.release.sign:verify",
    },
)
def release() -> None:
    """Pin, promote, roll back, sign and verify releases.

    Environment files pin releases. A promotion changes one pin and appends a line to
    environments/promotions.jsonl; review both in git. `cdk deploy` deploys the pinned release.

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage or input, 130 interrupted.
    """
