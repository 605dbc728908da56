"""`model-tools pin`: which artifact an environment runs."""

from pathlib import Path

import click


@click.command()
@click.argument("environment_file", type=click.Path(path_type=Path))
@click.argument("digest")
@click.option(
    "--models", type=click.Path(path_type=Path), default=Path("models"), show_default=True
)
def pin(environment_file: Path, digest: str, models: Path) -> None:
    """Make ENVIRONMENT_FILE run the artifact with DIGEST: one changed line, ready for review."""
    from model_tools.pin import PinError, pin_model  # noqa: PLC0415 - keeps --help fast

    found = sorted(models.glob(f"*/{digest}/model.zip")) if digest.isalnum() else []
    if not found:
        known = ", ".join(sorted(file.parent.name for file in models.glob("*/*/model.zip")))
        raise click.UsageError(
            f"{digest}: no artifact below {models} has this digest; there are: {known or 'none'}"
        )
    name = found[0].parent.parent.name
    try:
        changed = pin_model(environment_file, name, digest)
    except PinError as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{environment_file}: {'now runs' if changed else 'runs'} {name} {digest}")
