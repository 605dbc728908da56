"""Common options of `deeplens release`, with which a `Registry` is created."""

import functools
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from deeplens.cli.options import environments_option, local_option

EMBEDDED = Path(".local/aws/endpoint.json")


def registry_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the common options to a command, and pass it the `Registry` that they define."""

    @environments_option
    @click.option(
        "--models",
        "artifacts",
        type=click.Path(path_type=Path),
        default=Path("models"),
        show_default=True,
        help="Folder of artifacts.",
    )
    @local_option
    @functools.wraps(command)
    def with_registry(*, environments: Path, artifacts: Path, local: bool, **rest: Any) -> None:
        # These modules are imported late, so that `--help` is fast.
        from deeplens.releases.aws import AwsAccounts
        from deeplens.releases.promotion import Registry

        cloud = AwsAccounts(EMBEDDED if local else None)
        command(Registry(environments, artifacts, cloud, _who, _now), **rest)

    return with_registry


def _who() -> str:
    """Return git's author as `name <address>`.

    Raises:
        click.UsageError: git has no name and address.
    """
    shown = subprocess.run(
        ["git", "var", "GIT_AUTHOR_IDENT"],  # noqa: S607 - git is found on the user's PATH
        capture_output=True,
        text=True,
        check=False,
    )
    # git prints: name <address> seconds zone
    person, closing, _ = shown.stdout.rpartition(">")
    if shown.returncode or not closing:
        raise click.UsageError(
            "git has no name and address for the audit log: set them with "
            "`git config user.name` and `git config user.email`"
        )
    return f"{person}>"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
