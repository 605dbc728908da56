"""The command `deeplens model freeze`."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import click

from model_tools.cli.errors import echo
from model_tools.cli.options import (
    FiniteRange,
    check_exists,
    choice_of,
    choice_options,
    examples,
    json_option,
    source_argument,
)
from model_tools.output_paths import OutputPath

# These are the values of `model_tools.freezing.target_runtime.TargetRuntime`, whose import would
# slow --help. A test compares both lists.
CONSUMERS = ("tensorflow", "openvino", "tensorflow-1.4", "tensorflow-1.5")


@click.command(
    epilog=examples(
        "freeze my_model.keras build/frozen", "freeze saved_model/ build/frozen --consumer openvino"
    ),
    short_help="Freeze a trained model into one graph.",
)
@source_argument
@click.argument("destination", type=OutputPath(file_okay=False, free_mib=10))
@choice_options
@click.option(
    "--consumer",
    type=click.Choice(CONSUMERS),
    default="tensorflow",
    show_default=True,
    help="The reader of the graph; the software of an AWS DeepLens is tensorflow-1.4 or 1.5.",
)
@click.option(
    "--set",
    "constants",
    multiple=True,
    metavar="NAME=VALUE",
    help="Value of a placeholder that is not an input, such as is_training=0 or "
    "thresholds=0.6,0.7,0.7.",
)
@click.option(
    "--image",
    "--picture",
    "pictures",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Image or folder to compare on, in addition to random input; may be repeated.",
)
@click.option(
    "--tolerance",
    type=FiniteRange(0, 1),
    default=1e-4,
    show_default=True,
    help="Largest relative difference from SOURCE that is accepted.",
)
@json_option
def freeze(
    source: Path,
    destination: Path,
    signature: str | None,
    tags: tuple[str, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    checkpoint: Path | None,
    consumer: str,
    constants: tuple[str, ...],
    pictures: tuple[Path, ...],
    tolerance: float,
    *,
    as_json: bool,
) -> None:
    """Freeze SOURCE into DESTINATION/frozen_model.pb, optimized and compared with SOURCE.

    SOURCE is a SavedModel's folder, a .tar.gz with a SavedModel, a .keras or .h5 file, a
    checkpoint, a .pbtxt graph with --checkpoint, or a frozen .pb. If the outputs of the graph and
    of SOURCE differ, nothing is written.
    """
    from model_tools.freezing.job import FreezeRequest, freeze_files  # noqa: PLC0415
    from model_tools.images import image_files  # noqa: PLC0415

    request = FreezeRequest(
        source=source,
        checkpoint=checkpoint,
        choice=replace(
            choice_of(signature, tags, inputs, outputs),
            constants=tuple(_constant(text) for text in constants),
        ),
        consumer=consumer,
        tolerance=tolerance,
        pictures=tuple(image_files(pictures)),
    )
    check_exists(source)
    if not as_json:
        echo(f"freeze {source}: TensorFlow loads it (a few seconds) …", err=True)
    frozen = freeze_files(request, destination)
    if as_json:
        echo(json.dumps({"graph": str(frozen.graph), **asdict(frozen.details)}))
        return
    echo(f"{frozen.graph}  {frozen.graph.stat().st_size} bytes, for {consumer}")
    for title, specs in (("input", frozen.details.inputs), ("output", frozen.details.outputs)):
        for alias, spec in specs.items():
            echo(f"  {title:<7}{alias} = {spec}")
    echo(
        f"  differs from its source by {frozen.details.parity['largest_relative']:.1e} "
        f"on {frozen.details.parity['samples']} samples"
    )
    if frozen.details.cut:
        echo("  split for fast engines: exact on the images that were compared")
    elif "not_cut" in frozen.details.parity:
        echo(f"  not split: {frozen.details.parity['not_cut']}")


def _constant(text: str) -> tuple[str, tuple[float, ...]]:
    name, _, value = text.partition("=")
    words = {"true": "1", "false": "0"}
    try:
        return name, tuple(float(words.get(one.lower(), one)) for one in value.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r}: expected NAME=VALUE with a number, true or false, or several numbers with "
            "commas between",
            param_hint="--set",
        ) from None
