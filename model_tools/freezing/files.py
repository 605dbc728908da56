"""From a model's files to a folder with its frozen graph; TensorFlow runs in a limited process."""

import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_tools.freezing.folder import FrozenDetails, FrozenFolder, provenance_of, write_frozen
from model_tools.isolation import Limits, isolated
from model_tools.sources.checks import check_files, check_keras
from model_tools.sources.files import ModelFiles, find_model
from model_tools.sources.selection import Choice

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from model_tools.sources.tensors import LoadedModel


@dataclass(frozen=True, kw_only=True)
class FreezeRequest:
    """What to freeze, and for whom."""

    source: Path
    checkpoint: Path | None = None
    choice: Choice = field(default_factory=Choice)
    consumer: str = "tensorflow"
    tolerance: float = 1e-4
    pictures: tuple[Path, ...] = ()


def freeze_files(
    request: FreezeRequest, destination: Path, limits: Limits | None = None
) -> FrozenFolder:
    """Freeze, compare, and only then write `frozen_model.pb` and `frozen_model.json`.

    Raises:
        SourceError, AmbiguousError, RefusedError: of the source.
        FreezeError: the consumer cannot read the graph, or it does not answer as its source.
        IsolationError: TensorFlow crashed on it, or a limit was met.
    """
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        files = find_model(request.source, Path(workspace), request.checkpoint)
        check_keras(files, request.choice)
        limits = limits or Limits.for_files(*files.paths, *request.pictures)
        graph, details, cut_files = isolated(_freeze, files, request, limits=limits)
    return write_frozen(destination, graph, details, cut_files)


def _freeze(
    files: ModelFiles, request: FreezeRequest
) -> tuple[bytes, FrozenDetails, dict[str, bytes]]:
    # Before TensorFlow is loaded, which takes seconds.
    check_files(files, request.choice)
    from model_tools.freezing.consumer import Consumer  # noqa: PLC0415 - TensorFlow follows
    from model_tools.freezing.freeze import FreezeOptions, freeze  # noqa: PLC0415 - as above
    from model_tools.images import image_samples, read_image  # noqa: PLC0415 - as above
    from model_tools.sources.load import load_model  # noqa: PLC0415 - as above

    model = load_model(files, request.choice)
    pictures = [read_image(file) for file in request.pictures]
    options = FreezeOptions(
        consumer=Consumer(request.consumer),
        tolerance=request.tolerance,
        samples=image_samples(pictures, model.inputs) if pictures else (),
    )
    cut, cut_parity, cut_files = _cut(model, pictures)
    frozen = freeze(model, options)
    details = FrozenDetails(
        sha256=hashlib.sha256(frozen.graph).hexdigest(),
        inputs=frozen.inputs,
        outputs=frozen.outputs,
        consumer=frozen.consumer.value,
        parity=frozen.parity.as_dict() | cut_parity,
        provenance=provenance_of(files),
        cut=cut,
        cut_files={
            name: hashlib.sha256(content).hexdigest() for name, content in cut_files.items()
        },
    )
    return frozen.graph, details, cut_files


def _cut(
    model: "LoadedModel", pictures: list["npt.NDArray[np.uint8]"]
) -> tuple[dict[str, Any] | None, dict[str, Any], dict[str, bytes]]:
    """Cut a detector where that is exact; say why not where it is not."""
    from model_tools.artifact.manifest_writer import cut_document  # noqa: PLC0415 - TensorFlow follows
    from model_tools.freezing import cutting  # noqa: PLC0415 - as above
    from model_tools.images import image_samples  # noqa: PLC0415 - as above

    if "detection_boxes" not in model.outputs:
        return None, {}, {}
    try:
        fitted = [
            next(iter(sample.values()))[0] for sample in image_samples(pictures, model.inputs)
        ]
        cut = cutting.cut_detector(model, fitted)
    except cutting.CutRefusedError as error:
        return None, {"not_cut": str(error)}, {}
    files = {cutting.CUT_GRAPH_NAME: cut.graph, cutting.ANCHORS_NAME: cut.anchors}
    parity = {"largest_absolute": cut.largest_difference, "pictures": cut.pictures}
    return cut_document(cut.spec), {"cut": parity}, files
