"""The command `deeplens model predict`."""

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from model_tools.cli.errors import echo
from model_tools.cli.options import (
    FiniteRange,
    check_exists,
    examples,
    json_option,
)
from model_tools.output_paths import OutputPath
from shared.printable import printable

if TYPE_CHECKING:
    from model_tools.predict import Prediction

_WITHOUT_LABELS, _FEWEST_LABELS = 1000, 2


@click.command(
    epilog=examples("predict models/shapes/DIGEST/model.zip .local/scenes --annotate build/seen"),
    short_help="Run a model on images.",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument(
    "pictures", metavar="IMAGES...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--engine",
    type=click.Choice(["openvino", "tensorflow"]),
    default="openvino",
    show_default=True,
    help="Engine that runs the model.",
)
@click.option(
    "--precision",
    type=click.Choice(["f32", "bf16"]),
    default="f32",
    show_default=True,
    help="Precision of OpenVINO.",
)
@click.option("--threshold", type=FiniteRange(0, 1), help="[default: the model's own]")
@click.option(
    "--top",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Largest number of printed results per image.",
)
@click.option(
    "--annotate",
    type=OutputPath(file_okay=False),
    help="Write the images with boxes to this folder, as PNG.",
)
@json_option
def predict(
    model: Path,
    pictures: tuple[Path, ...],
    engine: str,
    precision: str,
    threshold: float | None,
    top: int,
    annotate: Path | None,
    *,
    as_json: bool,
) -> None:
    """Run MODEL on IMAGES, files or folders, and print the results.

    MODEL is an artifact (model.zip), or any model that `freeze` accepts with a uint8 image as
    input.
    """
    from model_tools.images import image_files  # noqa: PLC0415 - keeps --help fast
    from model_tools.predict import predict as run  # noqa: PLC0415 - as above

    files = image_files(pictures)
    check_exists(model)
    if not as_json:
        echo(f"predict: {engine} loads {model} …", err=True)
    with tempfile.TemporaryDirectory(prefix="model-tools-") as folder:
        artifact = model if model.suffix == ".zip" else _packaged(model, Path(folder))
        found = run(artifact, files, engine=engine, precision=precision, threshold=threshold)
    if annotate is not None:
        _annotate(found, annotate)
    if as_json:
        echo(json.dumps([one.as_dict() for one in found]))
        return
    for one in found:
        echo(f"{printable(str(one.image))}  {one.milliseconds:.1f} ms")
        for detection in one.detections[:top]:
            box = detection.box
            where = (
                f"  [{box.ymin:.3f} {box.xmin:.3f} {box.ymax:.3f} {box.xmax:.3f}]" if box else ""
            )
            echo(f"  {detection.score:.3f}  {detection.label}{where}")
    if annotate is not None:
        echo(f"annotated images: {annotate}")


def _packaged(model: Path, folder: Path) -> Path:
    """Freeze and package a model that is not an artifact, with numbers as labels."""
    from model_tools.artifact.archive import package  # noqa: PLC0415 - as above
    from model_tools.artifact.infer import (  # noqa: PLC0415 - as above
        PackageRequest,
        class_count,
        infer_description,
    )
    from model_tools.errors import AmbiguousError, SourceError  # noqa: PLC0415 - as above
    from model_tools.freezing.job import FreezeRequest, freeze_files  # noqa: PLC0415 - as above

    frozen = freeze_files(FreezeRequest(source=model), folder / "frozen")
    request = PackageRequest(name="model", version="0.0.0", threshold=0.5)
    graph = frozen.graph.read_bytes()
    shown = frozen.activation()
    try:
        description = infer_description(frozen.details, request, last_activation=shown)
    except AmbiguousError as error:
        raise SourceError(
            f"{error} (`predict` has no such option: `freeze` and `package` {model} first)"
        ) from None
    # A model with a single score has two classes, and the score is that of the second class.
    classes = max(class_count(description) or _WITHOUT_LABELS, _FEWEST_LABELS)
    labels = {number: f"class {number}" for number in range(1, classes + 1)}
    return package(folder, description, graph, labels, frozen.extra_files()).path


def _annotate(found: list["Prediction"], folder: Path) -> None:
    from model_tools.images import draw_detections, open_image_file  # noqa: PLC0415 - as above

    folder.mkdir(parents=True, exist_ok=True)
    labels = sorted({detection.label for one in found for detection in one.detections})
    for one in found:
        detections = [asdict(detection) for detection in one.detections]
        drawn = draw_detections(open_image_file(one.image), detections, labels)
        drawn.save(folder / f"{one.image.stem}.png")
