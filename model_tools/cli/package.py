"""The command `deeplens model package`."""

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model_tools.cli.errors import echo
from model_tools.cli.manifest_types import MODEL_NAME, MODEL_VERSION
from model_tools.cli.options import FiniteRange, examples, json_option
from model_tools.output_paths import OutputPath

if TYPE_CHECKING:
    from shared.artifact.manifest import Triple


class _Triple(click.ParamType["Triple"]):
    """An option type for one number for all channels, or three numbers."""

    name = "NUMBER[,NUMBER,NUMBER]"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> "Triple":
        """Parse the value, or fail with the valid format."""
        try:
            numbers = [float(part) for part in value.split(",")]
            first, second, third = numbers * 3 if len(numbers) == 1 else numbers
            is_finite = all(map(math.isfinite, numbers))
        except ValueError:
            is_finite = False
        if not is_finite:
            self.fail(f"{value!r}: expected one number, or three with commas", param, ctx)
        return first, second, third


class _Size(click.ParamType[tuple[int, int]]):
    """An option type for WIDTHxHEIGHT in pixels."""

    name = "WIDTHxHEIGHT"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        """Parse the value, or fail with the valid format."""
        match = re.fullmatch("([0-9]{1,5})x([0-9]{1,5})", value)
        if match is None:
            self.fail(f"{value!r}: expected pixels such as 300x300", param, ctx)
        return int(match[1]), int(match[2])


@click.command(
    epilog=examples("package build/frozen --labels labels.txt --name shapes"),
    short_help="Package a frozen model as an artifact.",
)
@click.argument("frozen", type=click.Path(path_type=Path))
@click.option(
    "--labels",
    required=True,
    type=click.Path(path_type=Path),
    help="Label map (.pbtxt), .json, or .txt with one name per line.",
)
@click.option(
    "--name",
    type=MODEL_NAME,
    required=True,
    help="Name of the model: lower-case letters, digits, dashes.",
)
@click.option(
    "--version",
    type=MODEL_VERSION,
    default="1.0.0",
    show_default=True,
    help="Version of the model, as MAJOR.MINOR.PATCH.",
)
@click.option(
    "--threshold",
    type=FiniteRange(0, 1),
    default=0.5,
    show_default=True,
    help="Lowest score that is reported.",
)
@click.option("--size", "size_px", type=_Size(), help="[default: that of the graph]")
@click.option(
    "--channel-order",
    type=click.Choice(["RGB", "BGR"]),
    default="RGB",
    show_default=True,
    help="Order of the colour channels that the graph expects.",
)
@click.option(
    "--resize",
    type=click.Choice(["bilinear", "tf1-bilinear"]),
    default="bilinear",
    show_default=True,
    help="How images are scaled to the size of the input.",
)
@click.option(
    "--mean",
    type=_Triple(),
    help="Value per channel to subtract for float inputs; values are 0 to 255.",
)
@click.option(
    "--scale", type=_Triple(), help="Factor per channel for float inputs: (value - mean) * scale."
)
@click.option(
    "--activation",
    type=click.Choice(["softmax", "sigmoid", "logits", "sigmoid-logits", "none"]),
    help="What a classifier's scores are, if the graph does not show it: softmax or sigmoid are "
    "probabilities; of logits the camera takes the softmax, of sigmoid-logits the sigmoid. none is "
    "the former name of logits.",
)
@click.option(
    "--training",
    type=click.Path(path_type=Path),
    help="JSON object for the manifest: what training reported.",
)
@click.option(
    "--baseline",
    "pictures",
    multiple=True,
    type=click.Path(path_type=Path),
    help="At least 50 images of normal operation; cameras compare their frames with the model's "
    "results on them. File or folder; may be repeated.",
)
@click.option(
    "--models",
    type=OutputPath(file_okay=False, free_mib=10),
    default=Path("models"),
    show_default=True,
    help="Artifacts are written to MODELS/name/digest/model.zip.",
)
@click.option(
    "--tar",
    "tar_folder",
    type=OutputPath(file_okay=False, free_mib=10),
    help="Folder for a model.tar.gz, as the DeepLens guide uploads it.",
)
@json_option
def package(
    frozen: Path,
    labels: Path,
    name: str,
    version: str,
    threshold: float,
    size_px: tuple[int, int] | None,
    channel_order: str,
    resize: str,
    mean: "Triple | None",
    scale: "Triple | None",
    activation: str | None,
    training: Path | None,
    pictures: tuple[Path, ...],
    models: Path,
    tar_folder: Path | None,
    *,
    as_json: bool,
) -> None:
    """Package FROZEN, a folder that `freeze` wrote, with its labels into one artifact."""
    from model_tools.artifact import archive as artifact  # noqa: PLC0415 - keeps --help fast
    from model_tools.artifact.drift_baseline import with_baseline  # noqa: PLC0415 - as above
    from model_tools.artifact.infer import (  # noqa: PLC0415 - as above
        PackageRequest,
        fitting_labels,
        infer_description,
        read_training,
    )
    from model_tools.artifact.labels import read_labels  # noqa: PLC0415 - as above
    from model_tools.freezing.frozen_model import read_frozen  # noqa: PLC0415 - as above
    from model_tools.images import image_files  # noqa: PLC0415 - as above
    from model_tools.verification.diagnosis import openvino_error  # noqa: PLC0415 - as above

    found = read_frozen(frozen)
    given_labels = read_labels(labels)
    request = PackageRequest(
        name=name,
        version=version,
        threshold=threshold,
        size_px=size_px,
        channel_order=channel_order,
        resize=resize,
        mean=mean,
        scale=scale,
        activation=activation,
        training=read_training(training) if training else None,
    )
    graph = found.graph.read_bytes()
    description = infer_description(found.details, request, last_activation=found.activation())
    names = fitting_labels(description, given_labels)
    if pictures:
        files = tuple(image_files(pictures))
        echo(f"baseline: {len(files)} images …", err=True)
        description = with_baseline(description, graph, names, files)
    extra = found.extra_files()
    manifest = artifact.checked_manifest(description, graph, names, extra)
    if refusal := openvino_error(found.graph.parent, manifest, names):
        echo(
            f"note: {refusal}; the default engine of cameras cannot run this artifact: set "
            'engine = "tensorflow" below [inference] in the environment file, and verify with '
            "--engine tensorflow",
            err=True,
        )
    packaged = artifact.package(models, description, graph, names, extra)
    if tar_folder is not None:
        artifact.package_tar(tar_folder, description, graph, names, extra)
    if as_json:
        document = {"path": str(packaged.path), "sha256": packaged.digest}
        echo(json.dumps({**document, "bytes": packaged.size_bytes, "name": name}))
        return
    echo(f"{packaged.path}  {packaged.size_bytes} bytes")
    echo(f"  {description.task}, {len(names)} labels, SHA-256 {packaged.digest}")
    if tar_folder is not None:
        echo(f"  {tar_folder / artifact.TAR_NAME}")
    echo(f"  next: deeplens model verify {packaged.path} --image FOLDER --against MODEL")
    echo(f"        deeplens release pin environments/dev.toml {packaged.digest}")
