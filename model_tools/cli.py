"""The command line of model_tools.

Exit codes: 0 done, 1 the work failed, 2 wrong usage or input.
"""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import click

MODELS = Path("models")
CACHE = Path(".local/training")


@click.group()
@click.version_option(package_name="deeplens-tensorflow")
def main() -> None:
    """Turn trained models into verified, frozen artifacts.

    Exit codes: 0 done, 1 the work failed, 2 wrong usage or input.
    """
    # TensorFlow reads these when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


@main.group()
def train() -> None:
    """Train a model that this project brings along."""


@train.command("shapes")
@click.option("--seed", default=0, show_default=True, help="Of pictures and first weights.")
@click.option(
    "--steps",
    type=click.IntRange(1, 100_000),
    default=None,
    help="Batches of 16 pictures.  [default: what reaches the stated quality]",
)
@click.option("--version", default="1.0.0", show_default=True, help="Version in the manifest.")
@click.option("--models", type=click.Path(path_type=Path), default=MODELS, show_default=True)
@click.option("--force", is_flag=True, help="Train even if the same inputs were trained before.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train_shapes(  # noqa: PLR0913 - one parameter per option
    seed: int, steps: int | None, version: str, models: Path, *, force: bool, as_json: bool
) -> None:
    """Train the detector of drawn shapes; evaluate, freeze, check and package it."""
    from model_tools.freeze import FreezeError  # noqa: PLC0415 - keeps --help fast
    from model_tools.progress import progress_of  # noqa: PLC0415 - as above
    from model_tools.shapes.build import DEFAULT_STEPS, build_shapes  # noqa: PLC0415 - as above
    from vision.errors import ManifestError  # noqa: PLC0415 - as above

    chosen = steps or DEFAULT_STEPS
    try:
        with progress_of("train shapes", chosen) as progress:
            built = build_shapes(
                models=models,
                cache=CACHE,
                seed=seed,
                steps=chosen,
                version=version,
                force=force,
                progress=progress,
            )
    except ManifestError as error:
        raise click.UsageError(str(error)) from None
    except FreezeError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps(asdict(built)))
        return
    click.echo(f"{built.name} {built.version}{' (trained before)' if built.from_cache else ''}")
    click.echo(f"precision {built.precision:.3f}, recall {built.recall:.3f} on unseen pictures")
    click.echo(f"frozen graph differs from the trained model by {built.largest_difference:.1e}")
    click.echo(f"artifact {models / built.name / built.digest / 'model.zip'}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--count", type=click.IntRange(1, 10_000), default=24, show_default=True)
@click.option("--seed", default=0, show_default=True)
def scenes(folder: Path, count: int, seed: int) -> None:
    """Draw scenes for a virtual camera into FOLDER, with scenes.json saying what is on them."""
    from model_tools.shapes.scenes import write_scenes  # noqa: PLC0415 - keeps --help fast

    write_scenes(folder, count, seed)
    click.echo(f"{count} scenes in {folder}")


@main.command()
@click.argument("environment_file", type=click.Path(path_type=Path))
@click.argument("digest")
@click.option("--models", type=click.Path(path_type=Path), default=MODELS, show_default=True)
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


if __name__ == "__main__":
    sys.exit(main())
