"""The command `deeplens model host-package`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from model_tools.cli.errors import echo
from model_tools.cli.options import examples, json_option
from model_tools.output_paths import OutputPath


@click.command(
    "host-package",
    epilog=examples("host-package build/iris build/iris/model.tar.gz"),
    short_help="Package a model for SageMaker hosting.",
)
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("archive", type=OutputPath(dir_okay=False))
@click.option(
    "--code",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder with inference.py, requirements.txt.  [default: SOURCE's own code/]",
)
@click.option(
    "--version",
    type=click.IntRange(0, 10**18 - 1),
    help="Version of a SavedModel.  [default: its folder's number, or 1]",
)
@json_option
def host_package(
    source: Path, archive: Path, code: Path | None, version: int | None, *, as_json: bool
) -> None:
    """Validate SOURCE and pack it as ARCHIVE, the model.tar.gz that SageMaker's containers load.

    SOURCE is a SavedModel's folder, a folder with export/Servo/<n>/, a folder with MXNet's
    model-symbol.json, model-0000.params and model-shapes.json, or a .tar.gz with one of these.
    """
    from model_tools.sagemaker.package import package_for_sagemaker  # noqa: PLC0415

    packed = package_for_sagemaker(source, archive, code=code, version=version)
    if as_json:
        echo(json.dumps({**asdict(packed), "archive": str(packed.archive)}))
        return
    echo(f"{packed.archive}  {packed.framework}, sha256 {packed.sha256}")
    for place in packed.members:
        echo(f"  {place}")
    if packed.not_local is not None:
        echo(f"not run locally: {packed.not_local}")
