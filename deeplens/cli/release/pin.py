"""`deeplens release pin`: pin an artifact in an environment file."""

from pathlib import Path

import click

from deeplens.cli.options import examples, json_option
from deeplens.cli.output import json_result

# The maximum length of a version in characters: three numbers of nine digits and two dots, by the
# manifest's schema.
_LONGEST_VERSION = 29


@click.command(epilog=examples("release pin environments/dev.toml DIGEST"))
@click.argument("environment_file", type=click.Path(path_type=Path))
@click.argument("digest")
@click.option(
    "--models",
    type=click.Path(path_type=Path),
    default=Path("models"),
    show_default=True,
    help="Folder of artifacts.",
)
@json_option
def pin(environment_file: Path, digest: str, models: Path, *, as_json: bool) -> None:
    """Pin the artifact DIGEST in ENVIRONMENT_FILE.

    DIGEST is the artifact's SHA-256, or its beginning. The command changes one line of the file, or
    two if the model's name differs. Nothing is deployed.

    Exit codes: 0 done, 2 wrong usage or input.
    """
    from deeplens.releases.pin import pin_model

    artifacts = sorted(models.glob(f"*/{digest}*/model.zip")) if digest.isalnum() else []
    if not artifacts:
        known = ", ".join(sorted(file.parent.name for file in models.glob("*/*/model.zip")))
        raise click.UsageError(
            f"{digest}: no artifact below {models} has this digest; there are: {known or 'none'}"
        )
    if len(artifacts) > 1:
        names = ", ".join(file.parent.name for file in artifacts)
        raise click.UsageError(f"{digest} is the beginning of several digests: {names}")
    folder = artifacts[0].parent
    model = folder.parent.name
    changed = pin_model(environment_file, model, folder.name)
    title = f"{model} {_version(artifacts[0])}({folder.name[:12]}…)"
    with json_result(as_json=as_json) as document:
        document.update(
            file=str(environment_file), model=model, digest=folder.name, changed=bool(changed)
        )
        if not changed:
            click.echo(f"{environment_file}: already pins {title}; nothing changed")
            return
        click.echo(f"{environment_file}: pins {title}")
        click.echo(f"next: deeplens local deploy {environment_file.stem}")


def _version(artifact: Path) -> str:
    """Return an artifact's version and a space; an empty string if the version cannot be read."""
    from shared.artifact.archive import packed_manifest
    from shared.artifact.errors import ArtifactError
    from shared.artifact.strict_json import parse_json
    from shared.printable import printable

    try:
        version = parse_json(packed_manifest(artifact))["version"]
    except (OSError, ArtifactError, KeyError, ValueError, TypeError):
        return ""
    return f"{printable(str(version), longest=_LONGEST_VERSION)} "
