"""A replacement for the predictor of Amazon Elastic Inference, on TensorFlow and OpenVINO.

`EIPredictor` ran a SavedModel or a frozen graph. Its calls were the same with and without an
accelerator, so that both could be compared. The service is closed, and OpenVINO replaces its
accelerators.

    predictor = Predictor("export/Servo/1", accelerate=True)
    predictor({"image": image})["probabilities"]
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from model_tools.errors import SourceError
from model_tools.formats.base import SourceModel
from model_tools.formats.checked_graph import CheckedGraph
from model_tools.formats.detect import find_model
from model_tools.formats.frozen_graph import FrozenGraph
from model_tools.formats.saved_model import SavedModel
from model_tools.formats.signatures import Choice, signed
from model_tools.formats.tensors import Arrays, TensorSpec
from model_tools.formats.trimming import loadable
from model_tools.freezing.frozen_model import FrozenFolder, digest_of, read_frozen
from model_tools.freezing.job import FreezeRequest, freeze_files
from shared.artifact.manifest import DETECTION_OUTPUTS, split_detector_spec
from shared.vision.engine import SplitDetector
from shared.vision.graph_loader import OPENVINO, open_runtime

_CACHE_VARIABLE = "MODEL_TOOLS_CACHE"


class _Engine(Protocol):
    def run(self, feed: Arrays) -> Arrays: ...


class Predictor:
    """A predictor that runs a model on OpenVINO or TensorFlow, with equal outputs.

    With acceleration, a separate process freezes the model on first use, so the caller's process
    does not import TensorFlow. The frozen model and the model that OpenVINO compiled are cached
    below `$MODEL_TOOLS_CACHE` (default: `~/.cache/model-tools`).
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the signature of `EIPredictor`
        self,
        model_dir: str | os.PathLike[str],
        signature_def_key: str | None = None,
        signature_def: Any = None,
        input_names: Mapping[str, str] | None = None,
        output_names: Mapping[str, str] | None = None,
        tags: str | None = None,
        graph: Any = None,
        config: Any = None,
        accelerate: bool = True,  # noqa: FBT001, FBT002 - as above
    ) -> None:
        """Load a model.

        Args:
            model_dir: a SavedModel's folder, a frozen graph, or any other model that
                `deeplens model freeze` accepts.
            signature_def_key: key of a SavedModel's signature; default `serving_default`.
            signature_def: a SignatureDef to use instead of a signature of the SavedModel.
            input_names: input tensor names by alias, instead of a signature.
            output_names: output tensor names by alias, instead of a signature.
            tags: tags of a SavedModel, separated by commas; default `serve`.
            graph: a `tf.Graph` to load the model into; only without acceleration.
            config: a `ConfigProto`; with acceleration, only its intra_op_parallelism_threads.
            accelerate: True to run the model on OpenVINO instead of TensorFlow.

        Raises:
            ValueError: more than one of signature key, signature and names is given, or only one of
                `input_names` and `output_names`.
            ModelToolsError: the model cannot be read; see `model_tools.errors`.
        """
        choice = _choice(signature_def_key, signature_def, input_names, output_names, tags)
        source = Path(model_dir)
        self._engine: _Engine
        if accelerate:
            threads = config.intra_op_parallelism_threads if config is not None else 0
            folder = _frozen(source, choice)
            self._inputs, self._outputs = folder.details.inputs, folder.details.outputs
            self._engine = _Accelerated(folder, threads or None)
        else:
            plain = _Plain(source, choice, graph, config)
            self._inputs, self._outputs = plain.inputs, plain.outputs
            self._engine = plain

    @property
    def feed_tensors(self) -> dict[str, str]:
        """Names of the input tensors by alias."""
        return {alias: spec.name for alias, spec in self._inputs.items()}

    @property
    def fetch_tensors(self) -> dict[str, str]:
        """Names of the output tensors by alias."""
        return {alias: spec.name for alias, spec in self._outputs.items()}

    def __call__(self, feed_dict: Mapping[str, npt.ArrayLike]) -> Arrays:
        """Run the model.

        Args:
            feed_dict: arrays, or values that NumPy converts to arrays, by the inputs' aliases.

        Returns:
            Arrays by the outputs' aliases.

        Raises:
            SourceError: an input is missing, unknown, or of another shape or type, or TensorFlow
                cannot run the model.
            shared.artifact.errors.ArtifactError: OpenVINO cannot run the model.
        """
        if feed_dict.keys() != self._inputs.keys():
            raise SourceError(
                f"the inputs {', '.join(sorted(feed_dict)) or '(none)'} do not match the model: "
                "expected " + ", ".join(f"{alias} = {spec}" for alias, spec in self._inputs.items())
            )
        return self._engine.run(
            {alias: _checked(alias, feed_dict[alias], spec) for alias, spec in self._inputs.items()}
        )

    def __repr__(self) -> str:
        """Return the names of the tensors."""
        return f"Predictor(feed={self.feed_tensors}, fetch={self.fetch_tensors})"

    def __enter__(self) -> Self:
        """Return the predictor, which does not need to be closed, like `EIPredictor`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


class _Accelerated:
    def __init__(self, folder: FrozenFolder, threads: int | None) -> None:
        details = folder.details
        self._inputs, self._outputs = details.inputs, details.outputs
        split = split_detector_spec(details.cut) if details.cut else None
        self._detector: SplitDetector | None = None
        compiled = folder.graph.parent / "compiled"
        if split and set(self._outputs) == set(DETECTION_OUTPUTS):
            parts = (split.box_encodings.name, split.class_predictions.name)
            sides = (1, split.input.height_px or 1, split.input.width_px or 1, 3)
            runtime = open_runtime(
                OPENVINO,
                folder.graph.parent / split.graph,
                parts,
                shapes={split.input.name: sides},
                threads=threads,
                cache=compiled,
            )
            self._detector = SplitDetector(split, folder.graph.parent / split.anchors, runtime)
            self._most_detections = split.most_detections
            return
        names = tuple(spec.name for spec in self._outputs.values())
        self._runtime = open_runtime(OPENVINO, folder.graph, names, threads=threads, cache=compiled)

    def run(self, feed: Arrays) -> Arrays:
        if self._detector is None:
            outputs = self._runtime.run({self._inputs[key].name: feed[key] for key in feed})
            return {alias: outputs[spec.name] for alias, spec in self._outputs.items()}
        (images,) = feed.values()
        per_image = [self._detector.run(image) for image in images]
        return {
            role: np.concatenate(
                [_padded(outputs[role], self._most_detections) for outputs in per_image]
            )
            for role in DETECTION_OUTPUTS
        }


class _Plain:
    def __init__(self, source: Path, choice: Choice, graph: Any, config: Any) -> None:
        import tensorflow as tf  # noqa: PLC0415 - takes seconds to import; OpenVINO does not need it

        v1 = tf.compat.v1
        self._errors = (ValueError, TypeError, tf.errors.OpError)
        with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
            files = find_model(source, Path(workspace))
            checked = files.check(choice)
            if not isinstance(files, SavedModel | FrozenGraph):
                raise SourceError(
                    f"{source} cannot run without acceleration: expected a SavedModel or a frozen "
                    "graph; set accelerate=True"
                )
            chosen = graph or tf.Graph()
            self._session = v1.Session(graph=chosen, config=config)
            with chosen.as_default():
                if isinstance(files, FrozenGraph) and isinstance(checked, CheckedGraph):
                    tf.import_graph_def(checked.graph, name="")
                    names = checked.inputs, checked.outputs
                else:
                    with loadable(files.path) as folder:
                        meta = v1.saved_model.loader.load(
                            self._session, list(choice.tags), str(folder)
                        )
                    names = (
                        (checked.inputs, checked.outputs)
                        if isinstance(checked, CheckedGraph)
                        else signed(choice, dict(meta.signature_def))
                    )
        tensors = [
            {alias: chosen.get_tensor_by_name(name) for alias, name in part.items()}
            for part in names
        ]
        self._feeds, self._fetches = tensors
        self.inputs, self.outputs = (
            {alias: _spec(tensor) for alias, tensor in part.items()} for part in tensors
        )

    def run(self, feed: Arrays) -> Arrays:
        fed = {self._feeds[alias]: value for alias, value in feed.items()}
        try:
            return dict(self._session.run(self._fetches, fed))
        except self._errors as error:
            raise SourceError(f"the model cannot run: {str(error)[:300]}") from None


def _choice(
    key: str | None,
    signature: Any,
    inputs: Mapping[str, str] | None,
    outputs: Mapping[str, str] | None,
    tags: str | None,
) -> Choice:
    if (inputs is None) != (outputs is None):
        raise ValueError("only one of input_names and output_names is given: give both or none")
    if sum(argument is not None for argument in (key, signature, inputs)) > 1:
        raise ValueError(
            "give one of signature_def_key, signature_def, or input_names and output_names"
        )
    if signature is not None:
        inputs = {alias: info.name for alias, info in signature.inputs.items()}
        outputs = {alias: info.name for alias, info in signature.outputs.items()}
    return Choice(
        signature=key,
        tags=tuple(tags.split(",")) if tags else ("serve",),
        inputs=tuple(f"{alias}={name}" for alias, name in (inputs or {}).items()),
        outputs=tuple(f"{alias}={name}" for alias, name in (outputs or {}).items()),
    )


def _frozen(source: Path, choice: Choice) -> FrozenFolder:
    """Return the cached frozen model for these files and options, or freeze the model."""
    with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
        files = find_model(source, Path(workspace))
        folder = _cache() / _key(files, choice)
        try:
            return read_frozen(folder)
        except SourceError:
            return freeze_files(FreezeRequest(source=source, choice=choice), folder)


def _cache() -> Path:
    given = os.environ.get(_CACHE_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "model-tools"


def _key(files: SourceModel, choice: Choice) -> str:
    document = [digest_of(files), choice.signature, choice.tags, choice.inputs, choice.outputs]
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()[:32]


def _checked(alias: str, value: npt.ArrayLike, spec: TensorSpec) -> npt.NDArray[Any]:
    array = np.asarray(value)
    if not np.can_cast(array.dtype, np.dtype(spec.dtype), "same_kind"):
        raise SourceError(f"{array.dtype} is not a valid type of {alias}: expected {spec}")
    sides = spec.shape
    if sides is not None and (
        len(sides) != array.ndim
        or any(side not in (None, given) for side, given in zip(sides, array.shape, strict=True))
    ):
        raise SourceError(f"{list(array.shape)} is not a valid shape of {alias}: expected {spec}")
    return array.astype(spec.dtype, copy=False)


def _padded(output: npt.NDArray[Any], most_detections: int) -> npt.NDArray[Any]:
    """Pad an output to the number of detections of the complete graph; keep a 1-D output."""
    if output.ndim == 1:
        return output
    missing = [(0, 0), (0, most_detections - output.shape[1]), *[(0, 0)] * (output.ndim - 2)]
    return np.pad(output, missing)


def _spec(tensor: Any) -> TensorSpec:
    shape = tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else None
    return TensorSpec(tensor.name, np.dtype(tensor.dtype.as_numpy_dtype).name, shape)
