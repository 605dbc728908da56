"""Train the head-pose classifier in a SageMaker training job.

The job runs `python -m model_tools.samples.headpose.sagemaker`, with hyperparameters as options.
SM_CHANNEL_TRAINING contains the folder of the channel `training`. The model is written to
SM_MODEL_DIR, and other results to SM_OUTPUT_DATA_DIR. Checkpoints are written to
/opt/ml/checkpoints. If the job has a checkpoint configuration, SageMaker copies them to S3, and
the job continues on another spot instance.

Source: aws/sagemaker-training-toolkit, ENVIRONMENT_VARIABLES.md.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path

import click

from model_tools.errors import ModelToolsError
from model_tools.progress import reporting
from model_tools.samples.headpose.variants import VARIANTS

_CHECKPOINTS = Path("/opt/ml/checkpoints")


@click.command(help=__doc__)
@click.option("--variant", type=click.Choice(sorted(VARIANTS)), default="resnet50")
@click.option("--epochs", type=click.IntRange(1, 10_000), default=60)
@click.option("--batch-size", type=click.IntRange(1, 4096), default=64)
@click.option("--learning-rate", type=click.FloatRange(0, min_open=True), default=1e-3)
@click.option("--seed", type=int, default=0)
@click.option("--checkpoints", type=click.Path(path_type=Path), default=_CHECKPOINTS)
def main(  # noqa: PLR0913, PLR0917 - one parameter per hyperparameter
    variant: str,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    checkpoints: Path,
) -> None:
    """Train on the channel's data, and write model and metrics to SageMaker's folders."""
    from model_tools.samples.headpose.build import build  # noqa: PLC0415 - keeps --help fast
    from model_tools.samples.headpose.data import read  # noqa: PLC0415 - as above
    from model_tools.samples.headpose.training import TrainingOptions  # noqa: PLC0415 - as above

    channel, model_dir, output = (
        _folder(name) for name in ("SM_CHANNEL_TRAINING", "SM_MODEL_DIR", "SM_OUTPUT_DATA_DIR")
    )
    checkpoints.mkdir(parents=True, exist_ok=True)
    options = TrainingOptions(variant, epochs, batch_size, learning_rate, seed)
    try:
        data = read(channel, checkpoints)
    except ModelToolsError as error:
        # SageMaker shows the first 1,024 characters of this file as the job's FailureReason.
        (output.parent / "failure").write_text(str(error), encoding="utf-8")
        raise click.ClickException(str(error)) from None
    with reporting() as progress:
        trained = build(data, options, checkpoints, int(time.time()), progress)
    shutil.copytree(checkpoints / "export", model_dir / "export", dirs_exist_ok=True)
    for file in (trained.report, trained.labels):
        shutil.copy(file, output)
    # A metric definition of the training job matches this line.
    click.echo(f"accuracy={trained.quality.accuracy}; {json.dumps(trained.quality.by_class)}")


def _folder(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        raise click.ClickException(
            f"{variable} is not set; SageMaker sets it in a training job's container"
        )
    folder = Path(value)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    sys.exit(main())
