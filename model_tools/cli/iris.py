"""The command `deeplens model train iris`, for the guide's example of a hosted model."""

import json
from pathlib import Path

import click

from model_tools.cli.options import examples, json_option
from model_tools.output_paths import OutputPath


@click.command("iris", epilog=examples("train iris"), short_help="Train the iris classifier.")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    help="Seed of the random numbers; the same seed gives the same result.",
)
@click.option(
    "--output",
    type=OutputPath(file_okay=False, free_mib=10),
    default=Path("build/iris"),
    show_default=True,
    help="SavedModel in export/Servo/1, request.json, expected.json, labels.txt.",
)
@json_option
def train_iris(seed: int, output: Path, *, as_json: bool) -> None:
    """Train the iris classifier, from four measurements to three species, and export it.

    To pack the model, run `deeplens model host-package OUTPUT OUTPUT/model.tar.gz`. request.json is
    a request with flowers that training did not use. expected.json is the response of the model in
    this process.
    """
    from model_tools.progress import reporting  # noqa: PLC0415 - as above
    from model_tools.samples.iris.build import EPOCHS, build  # noqa: PLC0415 - keeps --help fast
    from model_tools.tensorflow_setup import load_tensorflow  # noqa: PLC0415 - as above

    with reporting() as progress:
        progress.phase("loading TensorFlow")
        load_tensorflow()
        progress.phase("training", EPOCHS, "epoch")
        trained = build(output, seed, progress.step)
    if as_json:
        document = {"saved_model": str(trained.saved_model), "accuracy": trained.accuracy}
        click.echo(json.dumps(document))
        return
    click.echo(f"{trained.saved_model}: accuracy {trained.accuracy:.3f} on 30 flowers not seen")
    click.echo(f"{trained.request}  →  {trained.expected}")
