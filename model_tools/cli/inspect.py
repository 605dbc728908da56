"""The command `deeplens model inspect`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model_tools.cli.errors import echo
from model_tools.cli.options import (
    check_exists,
    choice_of,
    choice_options,
    examples,
    json_option,
    source_argument,
)
from model_tools.output_paths import OutputPath

if TYPE_CHECKING:
    from model_tools.inspection import Inspection


@click.command(
    epilog=examples("inspect my_model.keras"), short_help="Print what a model consists of."
)
@source_argument
@choice_options
@click.option(
    "--side",
    "side_px",
    type=click.IntRange(1, 4096),
    default=224,
    show_default=True,
    help="Height and width in pixels for FLOPs, where the model leaves them open.",
)
@click.option(
    "--tensorboard",
    type=OutputPath(file_okay=False),
    help="Write the optimised graph here, for TensorBoard.",
)
@json_option
def inspect(
    source: Path,
    signature: str | None,
    tags: tuple[str, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    checkpoint: Path | None,
    side_px: int,
    tensorboard: Path | None,
    *,
    as_json: bool,
) -> None:
    """Print the properties of SOURCE, and the runtimes that can read its frozen graph."""
    from model_tools.inspection import inspect_model  # noqa: PLC0415 - keeps --help fast

    check_exists(source)
    if not as_json:
        echo(f"inspect {source}: TensorFlow loads it (a few seconds) …", err=True)
    found = inspect_model(
        source,
        choice_of(signature, tags, inputs, outputs),
        checkpoint=checkpoint,
        side_px=side_px,
        tensorboard=tensorboard,
    )
    if as_json:
        echo(json.dumps(found.as_dict()))
        return
    for line in _lines(found):
        echo(line)
    if tensorboard is not None:
        echo(f"for TensorBoard: {tensorboard}")


def _lines(found: "Inspection") -> list[str]:
    flops = "unknown" if found.flops is None else f"{found.flops / 1e9:.3f} GFLOP"
    lines = [
        f"{found.format}: {found.parameters:,} parameters, {found.size_bytes:,} bytes, {flops}"
    ]
    lines += [f"  input  {alias} = {spec}" for alias, spec in found.inputs.items()]
    lines += [f"  output {alias} = {spec}" for alias, spec in found.outputs.items()]
    if len(found.signatures) > 1:
        lines.append(f"signatures: {', '.join(found.signatures)}")
    lines.append("ops once frozen: " + ", ".join(f"{op} {n}" for op, n in found.ops.items()))
    if found.stray_nodes:
        some = ", ".join(found.some_stray_nodes[:5])
        lines.append(f"no output needs {found.stray_nodes} nodes: {some}, …")
    if found.outside_deeplens_list:
        ops = ", ".join(found.outside_deeplens_list)
        lines.append(
            f"not on the documented list of AWS DeepLens: {ops}; for its software, "
            "`freeze --consumer tensorflow-1.4` rewrites what it can"
        )
    lines += [
        f"{consumer}: {'can read it' if why is None else why}"
        for consumer, why in found.consumers.items()
    ]
    return lines
