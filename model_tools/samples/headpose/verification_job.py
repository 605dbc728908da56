"""The pipeline's second step: `python -m model_tools.samples.headpose.verification_job`.

Freezes the `model.tar.gz` that a training job left, compares it with its source, and writes
`frozen_model.pb`, its description and `verification.json`, which the pipeline's condition reads.
Folders are those of a SageMaker processing job.
"""

import json
import sys
from pathlib import Path

import click

from model_tools.errors import ModelToolsError

_PROCESSING = Path("/opt/ml/processing")
# The condition decides, so a model that differs must still be described.
_ANY_DIFFERENCE = 1.0


@click.command(help=__doc__)
@click.option(
    "--model", type=click.Path(path_type=Path), default=_PROCESSING / "input/model/model.tar.gz"
)
@click.option("--output", type=click.Path(path_type=Path), default=_PROCESSING / "output")
def main(model: Path, output: Path) -> None:
    """Freeze, compare, and say by how much the answers differ."""
    from model_tools.formats.signatures import Choice  # noqa: PLC0415 - as above
    from model_tools.freezing.job import FreezeRequest, freeze_files  # noqa: PLC0415 - TensorFlow
    from model_tools.samples.headpose.export import CAMERA_SIGNATURE  # noqa: PLC0415 - as above

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
    found = {
        "maximum_difference": parity["largest_relative"],
        "samples": parity["samples"],
        "frozen_bytes": frozen.graph.stat().st_size,
    }
    (output / "verification.json").write_text(json.dumps(found), encoding="utf-8")
    click.echo(json.dumps(found))


if __name__ == "__main__":
    sys.exit(main())
