"""Verify a trained model in a SageMaker processing job, the second step of the pipeline.

The job runs `python -m model_tools.samples.headpose.verification_job`. It freezes the
`model.tar.gz` of a training job and compares the graph with its source. It writes
`frozen_model.pb`, its description and `verification.json`, which the condition of the pipeline
reads. The default folders are those of a SageMaker processing job.
"""

import json
import sys
from pathlib import Path

import click

from model_tools.errors import ModelToolsError

_PROCESSING = Path("/opt/ml/processing")
# A tolerance that accepts any difference, because the condition of the pipeline checks the
# difference.
_ANY_DIFFERENCE = 1.0


@click.command(help=__doc__)
@click.option(
    "--model", type=click.Path(path_type=Path), default=_PROCESSING / "input/model/model.tar.gz"
)
@click.option("--output", type=click.Path(path_type=Path), default=_PROCESSING / "output")
def main(model: Path, output: Path) -> None:
    """Freeze the model, and report the largest relative difference of its outputs."""
    from model_tools.formats.signatures import Choice  # noqa: PLC0415 - keeps --help fast
    from model_tools.freezing.job import FreezeRequest, freeze_files  # noqa: PLC0415 - as above
    from model_tools.samples.headpose.build import CAMERA_SIGNATURE  # noqa: PLC0415 - as above

    output.mkdir(parents=True, exist_ok=True)
    request = FreezeRequest(
        source=model,
        choice=Choice(signature=CAMERA_SIGNATURE),
        tolerance=_ANY_DIFFERENCE,
    )
    try:
        frozen = freeze_files(request, output / "frozen")
    except ModelToolsError as error:
        raise click.ClickException(str(error)) from None
    parity = frozen.details.parity
    result = {
        "maximum_difference": parity["largest_relative"],
        "samples": parity["samples"],
        "frozen_bytes": frozen.graph.stat().st_size,
    }
    (output / "verification.json").write_text(json.dumps(result), encoding="utf-8")
    click.echo(json.dumps(result))


if __name__ == "__main__":
    sys.exit(main())
