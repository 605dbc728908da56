"""`deeplens env new`: create an environment file from the sections of deeplens/config."""

import os
from pathlib import Path

import click

from deeplens.cli.env.reference import (
    ROOT,
    SCHEMA,
    allowed,
    keys,
    toml,
)
from deeplens.cli.options import examples, json_option
from deeplens.cli.output import json_result
from deeplens.config import (
    ConfigError,
    EnvironmentConfig,
    load_environment,
    load_environments,
)

ENVIRONMENTS = ROOT / "environments"


@click.command(epilog=examples("env new qa --account 444444444444"))
@click.argument("name")
@click.option("--account", help="The AWS account's twelve digits.")
@click.option("--region", help="An AWS Region that has AWS IoT Greengrass V2.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=ENVIRONMENTS,
    show_default="environments",
    help="Folder of the environment files.",
)
@json_option
def new(name: str, account: str | None, region: str | None, folder: Path, *, as_json: bool) -> None:
    """Create NAME.toml, a valid environment file.

    Account and Region default to those of dev; model and permissions boundary are copied from dev.
    The names of bucket, thing group and topic contain NAME. Every other key is a comment with its
    default and meaning. If the file would not be valid, it is not written.

    Exit codes: 0 written, 1 a file cannot be read or written, 2 wrong usage or input.
    """
    with json_result(as_json=as_json) as document:
        file = _write(folder, name, account, region)
        document.update(environment=name, file=str(file))
        click.echo(f"{file}: written; edit what differs")
        click.echo("next: deeplens review main (needs no AWS account)")
        click.echo(f"      deeplens local diff {name} (on the emulator)")
        click.echo(f"      cdk diff '{name}/*' (on AWS)")


def _write(folder: Path, name: str, account: str | None, region: str | None) -> Path:
    """Write the file of a new environment, and return its path.

    Raises:
        ConfigError: dev.toml is absent or not valid.
        click.UsageError: the name is not valid, the file exists, or an environment is not valid.
            After an invalid environment, the new file is removed.
    """
    file = folder / f"{name}.toml"
    if file.parent != folder or not name:
        raise click.UsageError(f"given {name!r}, expected a name, for example `qa`")
    try:
        dev = load_environment(folder / "dev.toml")
        text = environment_file(name, account or dev.account, region or dev.region, dev)
        with file.open("x", encoding="utf-8") as written:
            written.write(schema_directive(folder) + text)
    except FileExistsError:
        raise click.UsageError(f"{file} exists; choose another name, or edit it") from None
    try:
        load_environments(folder)
    except ConfigError as error:
        file.unlink()
        raise click.UsageError(f"nothing was written: {error}") from None
    return file


def schema_directive(folder: Path) -> str:
    """Return the first line of the environment files in `folder`, by which editors find the schema.

    See https://taplo.tamasfe.dev/configuration/directives.html.
    """
    return f"#:schema {Path(os.path.relpath(SCHEMA, folder)).as_posix()}\n"


def environment_file(name: str, account: str, region: str, like: EnvironmentConfig) -> str:
    """Return the text of a new environment file, with model and permissions boundary of `like`."""
    values = {
        "account": account,
        "region": region,
        **({"permissions_boundary": bound} if (bound := like.permissions_boundary) else {}),
        "model.name": like.model.name,
        "model.digest": like.model.digest,
        "model_store.bucket_name": f"deeplens-{name}-{account}-{region}",
        "fleet.thing_group": f"deeplens-{name}",
        "inference.topic": f"deeplens/{name}/{{thing}}/infer",
    }
    lines = [
        f"# The {name} environment. Each key that is commented out has the default that it shows.",
        "# docs/environments.md lists all keys.",
    ]
    section = ""
    for key, field in keys():
        header, _, leaf = key.rpartition(".")
        if header != section:
            section = header
            lines += ["", _header(header)]
        lines.append(f"# {field.description} ({allowed(field)})".replace("`", ""))
        if key in values:
            lines.append(f"{leaf} = {toml(values[key])}")
            continue
        value = "…" if field.is_required() or field.default is None else toml(field.default)
        lines.append(f"#{'   ' if '.' in section else ' '}{leaf} = {value}")
    return "\n".join(lines) + "\n"


def _header(section: str) -> str:
    """Return a section's header; that of a nested section or an array of tables is a comment."""
    if section.endswith("[]"):
        return f"# [[{section.removesuffix('[]')}]]"
    return f"# [{section}]" if "." in section else f"[{section}]"
