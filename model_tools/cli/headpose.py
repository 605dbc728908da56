"""The command `deeplens model train headpose`, for the classifier of the DeepLens guide."""

import json
import time
from pathlib import Path

import click

from model_tools.cli.options import FiniteRange, check_exists, examples, json_option
from model_tools.output_paths import OutputPath
from model_tools.samples.headpose.variants import VARIANTS


@click.command(
    "headpose",
    epilog=examples("train headpose --seed 1"),
    short_help="Train the head-pose classifier.",
)
@click.option(
    "--data",
    "source",
    type=click.Path(path_type=Path),
    help="An .npz, a .tfrecord, the guide's .pkl, or a folder with one.  [default: drawn heads]",
)
@click.option(
    "--variant",
    type=click.Choice(sorted(VARIANTS)),
    default="small",
    show_default=True,
    help="Network to train.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 10_000),
    default=10,
    show_default=True,
    help="Number of passes over the training images.",
)
@click.option(
    "--images",
    "--pictures",
    "pictures",
    type=click.IntRange(45, 1_000_000),
    default=4500,
    show_default=True,
    help="To draw and train on; a fifth as many more to test on.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(1, 4096),
    default=32,
    show_default=True,
    help="Number of images per step.",
)
@click.option(
    "--learning-rate",
    type=FiniteRange(0, 10, min_open=True),
    default=3e-3,
    show_default=True,
    help="The highest; it rises to it and falls again.",
)
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Seed of the random numbers; the same seed gives the same result.",
)
@click.option(
    "--output",
    type=OutputPath(file_okay=False, free_mib=50),
    default=Path("build/headpose"),
    show_default=True,
    help="model.tar.gz, SavedModel, labels, report and images; TensorBoard's logs in logs/.",
)
@json_option
def train_headpose(
    source: Path | None,
    variant: str,
    epochs: int,
    pictures: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    output: Path,
    *,
    as_json: bool,
) -> None:
    """Train the head-pose classifier of the DeepLens guide, and export it as SageMaker does.

    If the command is interrupted, run it again to continue. To freeze the exported model, run
    `deeplens model freeze OUTPUT/model.tar.gz build/frozen --signature camera`.
    """
    from model_tools.progress import reporting  # noqa: PLC0415 - as above
    from model_tools.samples.headpose.build import build, read_or_draw  # noqa: PLC0415 - imports TensorFlow
    from model_tools.samples.headpose.training import TrainingOptions  # noqa: PLC0415 - as above
    from model_tools.tensorflow_setup import load_tensorflow  # noqa: PLC0415 - as above

    options = TrainingOptions(variant, epochs, batch_size, learning_rate, seed)
    with reporting() as progress:
        if source is None:
            progress.phase("drawing heads", pictures + pictures // 5, "image")
        else:
            check_exists(source)
            progress.phase("reading images")
        data = read_or_draw(source, output, seed, pictures, progress.step)
        progress.phase("loading TensorFlow")
        load_tensorflow()
        trained = build(data, options, output, int(time.time()), progress)
    if as_json:
        document = {"archive": str(trained.archive), "picture_folder": str(trained.pictures)}
        click.echo(json.dumps(document | trained.quality.as_dict()))
        return
    click.echo(f"{trained.archive}: trained on {len(data.train_poses)} pictures ({data.source})")
    click.echo(
        f"accuracy {trained.quality.accuracy:.3f} on {trained.quality.pictures} images "
        "that it has not seen"
    )
    for label, accuracy in trained.quality.by_class.items():
        click.echo(f"  {label:<12}{accuracy:.3f}")
