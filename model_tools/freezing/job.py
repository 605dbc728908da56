"""Freeze the files of a model into a folder, with TensorFlow in a limited process."""

import hashlib
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from model_tools.formats.base import SourceModel
from model_tools.formats.detect import find_model
from model_tools.formats.signatures import Choice
from model_tools.freezing.frozen_model import (
    FrozenDetails,
    FrozenFolder,
    provenance_of,
    write_frozen,
)
from model_tools.sandbox import Limits, isolated

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from model_tools.formats.tensors import LoadedModel


@dataclass(frozen=True, kw_only=True)
class FreezeRequest:
    """A model to freeze, with options."""

    source: Path
    checkpoint: Path | None = None
    choice: Choice = field(default_factory=Choice)
    consumer: str = "tensorflow"
    tolerance: float = 1e-4
    pictures: tuple[Path, ...] = ()


def freeze_files(
    request: FreezeRequest, destination: Path, limits: Limits | None = None
) -> FrozenFolder:
    """Freeze a model, compare it with its source, and write the frozen model to `destination`.

    Raises:
        SourceError, AmbiguousError, RefusedError: the source cannot be read.
        FreezeError: the runtime cannot read the graph, or its outputs differ from the source.
        IsolationError: TensorFlow crashed, or the process exceeded a limit.
    """
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        source = find_model(request.source, Path(workspace), request.checkpoint)
        source.check_before_sandbox(request.choice)
        limits = limits or Limits.for_files(*source.paths, *request.pictures)
        graph, details, split_files = isolated(_freeze, source, request, limits=limits)
    return write_frozen(destination, graph, details, split_files)


def _freeze(
    source: SourceModel, request: FreezeRequest
) -> tuple[bytes, FrozenDetails, dict[str, bytes]]:
    # This call checks the model before TensorFlow is imported.
    model = source.load(request.choice)
    from model_tools.freezing.freeze import FreezeOptions, freeze  # noqa: PLC0415 - imports TensorFlow
    from model_tools.freezing.target_runtime import TargetRuntime  # noqa: PLC0415 - as above
    from model_tools.images import image_samples, read_image  # noqa: PLC0415 - as above

    images = [read_image(file) for file in request.pictures]
    options = FreezeOptions(
        target=TargetRuntime(request.consumer),
        tolerance=request.tolerance,
        samples=image_samples(images, model.inputs) if images else (),
    )
    split, split_parity, split_files = _split(model, images)
    frozen = freeze(model, options)
    details = FrozenDetails(
        sha256=hashlib.sha256(frozen.graph).hexdigest(),
        inputs=frozen.inputs,
        outputs=frozen.outputs,
        consumer=frozen.target.value,
        parity=frozen.parity.as_dict() | split_parity,
        provenance=provenance_of(source),
        cut=split,
        cut_files={
            name: hashlib.sha256(content).hexdigest() for name, content in split_files.items()
        },
    )
    return frozen.graph, details, split_files


def _split(
    model: "LoadedModel", images: list["npt.NDArray[np.uint8]"]
) -> tuple[dict[str, Any] | None, dict[str, Any], dict[str, bytes]]:
    """Split a detector into a backbone and postprocessing.

    Returns:
        The manifest's section `cut` (None if the model is not split), the entries for `parity`
        (including the reason if a detector cannot be split), and the files by name.
    """
    from model_tools.artifact.manifest_writer import split_document  # noqa: PLC0415 - imports TensorFlow
    from model_tools.freezing import detector_split  # noqa: PLC0415 - as above
    from model_tools.images import image_samples  # noqa: PLC0415 - as above

    if "detection_boxes" not in model.outputs:
        return None, {}, {}
    try:
        fitted = [next(iter(sample.values()))[0] for sample in image_samples(images, model.inputs)]
        split = detector_split.split_detector(model, fitted)
    except detector_split.NotSplitError as error:
        return None, {"not_cut": str(error)}, {}
    files = {
        detector_split.BACKBONE_NAME: split.backbone,
        detector_split.ANCHORS_NAME: split.anchors,
    }
    parity = {"largest_absolute": split.largest_difference, "pictures": split.images}
    return split_document(split.spec), {"cut": parity}, files
