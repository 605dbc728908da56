"""The commands `deeplens model train`, for models that this project includes."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from model_tools.cli.headpose import train_headpose
from model_tools.cli.iris import train_iris
from model_tools.cli.manifest_types import MODEL_VERSION
from model_tools.cli.options import examples, json_option
from model_tools.output_paths import OutputPath, why_unwritable

MODELS = Path("models")
CACHE = Path(".local/training")


@click.group()
def train() -> None:
    """Train one of the models that this project includes."""


train.add_command(train_headpose)
train.add_command(train_iris)


@train.command(
    "shapes",
    epilog=examples("train shapes --seed 1 --version 1.1.0"),
    short_help="Train the detector of drawn shapes.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Seed of the random numbers; the same seed gives the same result.",
)
@click.option(
    "--steps",
    type=click.IntRange(1, 100_000),
    default=None,
    help="Batches of 16 images.  [default: what reaches the stated quality]",
)
@click.option(
    "--version",
    type=MODEL_VERSION,
    default="1.0.0",
    show_default=True,
    help="Version in the manifest.",
)
@click.option(
    "--models",
    type=OutputPath(free_mib=50),
    default=MODELS,
    show_default=True,
    help="Folder of artifacts.",
)
@click.option("--force", is_flag=True, help="Train even if the same inputs were trained before.")
@json_option
def train_shapes(
    seed: int, steps: int | None, version: str, models: Path, *, force: bool, as_json: bool
) -> None:
    """Train the detector of drawn shapes, then evaluate, freeze, check and package it."""
    from model_tools.progress import reporting  # noqa: PLC0415 - keeps --help fast
    from model_tools.samples.shapes.build import DEFAULT_STEPS, build_shapes  # noqa: PLC0415 - as above

    if problem := why_unwritable(CACHE, free_mib=50):
        raise click.ClickException(problem)
    chosen = steps or DEFAULT_STEPS
    with reporting() as progress:
        built = build_shapes(
            models=models,
            cache=CACHE,
            seed=seed,
            steps=chosen,
            version=version,
            force=force,
            progress=progress,
        )
    if as_json:
        click.echo(json.dumps(asdict(built)))
        return
    click.echo(f"{built.name} {built.version}{' (trained before)' if built.from_cache else ''}")
    click.echo(f"precision {built.precision:.3f}, recall {built.recall:.3f} on unseen images")
    click.echo(f"frozen graph differs from the trained model by {built.largest_difference:.1e}")
    click.echo(f"artifact {models / built.name / built.digest / 'model.zip'}")


@click.command(
    epilog=examples("scenes build/scenes"), short_help="Draw images for a virtual camera."
)
@click.argument("folder", type=OutputPath(file_okay=False))
@click.option(
    "--count",
    type=click.IntRange(1, 10_000),
    default=24,
    show_default=True,
    help="Number of images.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Seed of the random numbers; the same seed gives the same result.",
)
def scenes(folder: Path, count: int, seed: int) -> None:
    """Draw scenes for a virtual camera into FOLDER; scenes.json contains their labels and boxes."""
    from model_tools.samples.shapes.drawing import write_scenes  # noqa: PLC0415 - keeps --help fast

    write_scenes(folder, count, seed)
    click.echo(f"{count} scenes in {folder}")
