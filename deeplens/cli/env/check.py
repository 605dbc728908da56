"""`deeplens env check`: check all environment files, and search for conflicts between them."""

import json
from pathlib import Path

import click

from deeplens.cli.options import environments_option, examples, json_option


@click.command(epilog=examples("env check"))
@environments_option
@json_option
def check(environments: Path, *, as_json: bool) -> None:
    """Check every environment file, and search for conflicts between the files.

    Exit codes: 0 all are valid, 2 a file is not valid, files conflict, or there is no file.
    """
    from deeplens.config import load_environments

    loaded = load_environments(environments)
    if as_json:
        rows = [
            {
                "name": environment.name,
                "account": environment.account,
                "region": environment.region,
                "model": environment.model.name,
            }
            for environment in loaded
        ]
        click.echo(json.dumps({"environments": rows}, indent=1))
        return
    for environment in loaded:
        place = f"{environment.account}, {environment.region}"
        click.echo(f"{environments / environment.name}.toml: valid ({place})")
