"""The predictor of Amazon Elastic Inference, on engines that are still there.

`EIPredictor` ran a SavedModel or a frozen graph with an accelerator or without one, by the same
call, so that the two could be compared. The accelerator is gone; OpenVINO stands in its place.

    predictor = Predictor("export/Servo/1", accelerate=True)
    predictor({"image": picture})["probabilities"]
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
from model_tools.freezing.files import FreezeRequest, freeze_files
from model_tools.freezing.folder import FrozenFolder, digest_of, read_frozen
from model_tools.sources.checks import check_files
from model_tools.sources.files import Kind, ModelFiles, find_model
from model_tools.sources.selection import Choice, signed
from model_tools.sources.tensors import Arrays, TensorSpec
from model_tools.sources.trimming import loadable
from shared.artifact.manifest import DETECTION_OUTPUTS, cut_spec
from shared.vision.engine import CutDetector
from shared.vision.runtimes import OPENVINO, open_runtime

_CACHE_VARIABLE = "MODEL_TOOLS_CACHE"


class _Engine(Protocol):
    def run(self, feed: Arrays) -> Arrays: ...


class Predictor:
    """Runs a model, accelerated by OpenVINO or plainly on TensorFlow, with the same answers.

    Accelerated, the model is frozen in a process of its own the first time, and kept, with what
    OpenVINO compiled, below `$MODEL_TOOLS_CACHE` (default: `~/.cache/model-tools`); TensorFlow is
    not imported here.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the signature of the predictor that it stands for
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
                `deeplens model freeze` takes.
            signature_def_key: of a SavedModel; default `serving_default`.
            signature_def: a SignatureDef to use instead of one in the SavedModel.
            input_names: tensor names by alias, instead of a signature.
            output_names: as `input_names`.
            tags: of a SavedModel, with commas between; default `serve`.
            graph: a `tf.Graph` to load into; plain only.
            config: a `ConfigProto`; accelerated, its intra_op_parallelism_threads counts.
            accelerate: OpenVINO rather than TensorFlow.

        Raises:
            ValueError: more than one of signature key, signature and names is given.
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
            feed_dict: arrays, or what becomes one, by the inputs' aliases.

        Returns:
            Arrays by the outputs' aliases.

        Raises:
            SourceError: an input is missing, unknown, or of another shape.
            shared.artifact.errors.ArtifactError: the engine does not take it.
        """
        if feed_dict.keys() != self._inputs.keys():
            raise SourceError(
                f"given {', '.join(sorted(feed_dict)) or 'nothing'}; "
                f"the model takes {', '.join(str(spec) for spec in self._inputs.values())}, "
                f"as {', '.join(self._inputs)}"
            )
        return self._engine.run(
            {alias: _fitting(alias, feed_dict[alias], spec) for alias, spec in self._inputs.items()}
        )

    def __repr__(self) -> str:
        """Name the tensors."""
        return f"Predictor(feed={self.feed_tensors}, fetch={self.fetch_tensors})"

    def __enter__(self) -> Self:
        """Return itself; as the predictor that it stands for, it needs no closing."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing."""


class _Accelerated:
    def __init__(self, folder: FrozenFolder, threads: int | None) -> None:
        details = folder.details
        self._inputs, self._outputs = details.inputs, details.outputs
        cut = cut_spec(details.cut) if details.cut else None
        self._detector: CutDetector | None = None
        compiled = folder.graph.parent / "compiled"
        if cut and set(self._outputs) == set(DETECTION_OUTPUTS):
            parts = (cut.box_encodings.name, cut.class_predictions.name)
            sides = (1, cut.input.height_px or 1, cut.input.width_px or 1, 3)
            runtime = open_runtime(
                OPENVINO,
                folder.graph.parent / cut.graph,
                parts,
                shapes={cut.input.name: sides},
                threads=threads,
                cache=compiled,
            )
            self._detector = CutDetector(cut, folder.graph.parent / cut.anchors, runtime)
            self._most = cut.most_detections
            return
        names = tuple(spec.name for spec in self._outputs.values())
        self._runtime = open_runtime(OPENVINO, folder.graph, names, threads=threads, cache=compiled)

    def run(self, feed: Arrays) -> Arrays:
        if self._detector is None:
            answer = self._runtime.run({self._inputs[key].name: feed[key] for key in feed})
            return {alias: answer[spec.name] for alias, spec in self._outputs.items()}
        (pictures,) = feed.values()
        answers = [self._detector.run(picture) for picture in pictures]
        return {
            role: np.concatenate([_padded(answer[role], self._most) for answer in answers])
            for role in DETECTION_OUTPUTS
        }


class _Plain:
    def __init__(self, source: Path, choice: Choice, graph: Any, config: Any) -> None:
        import tensorflow as tf  # noqa: PLC0415 - takes seconds; accelerated, it is not needed

        v1 = tf.compat.v1
        self._errors = (ValueError, TypeError, tf.errors.OpError)
        with tempfile.TemporaryDirectory(prefix="model-tools-") as workspace:
            files = find_model(source, Path(workspace))
            checked = check_files(files, choice)
            if files.kind not in {Kind.SAVED_MODEL_1, Kind.SAVED_MODEL_2, Kind.FROZEN}:
                raise SourceError(f"{source}: plain, a SavedModel or a frozen graph is needed")
            chosen = graph or tf.Graph()
            self._session = v1.Session(graph=chosen, config=config)
            with chosen.as_default():
                if files.kind is Kind.FROZEN and checked is not None:
                    tf.import_graph_def(checked.graph, name="")
                    names = checked.inputs, checked.outputs
                else:
                    with loadable(files.path) as folder:
                        meta = v1.saved_model.loader.load(
                            self._session, list(choice.tags), str(folder)
                        )
                    names = (
                        (checked.inputs, checked.outputs)
                        if checked
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
            raise SourceError(f"the model does not run: {str(error)[:300]}") from None


def _choice(
    key: str | None,
    signature: Any,
    inputs: Mapping[str, str] | None,
    outputs: Mapping[str, str] | None,
    tags: str | None,
) -> Choice:
    if (inputs is None) != (outputs is None):
        raise ValueError("input_names and output_names go together")
    given = [name is not None for name in (key, signature, inputs)]
    if sum(given) > 1:
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
    """Freeze, or find what the same bytes and the same choice gave before."""
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


def _key(files: ModelFiles, choice: Choice) -> str:
    told = json.dumps(
        [digest_of(files), choice.signature, choice.tags, choice.inputs, choice.outputs]
    )
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _fitting(alias: str, value: npt.ArrayLike, spec: TensorSpec) -> npt.NDArray[Any]:
    given = np.asarray(value)
    if not np.can_cast(given.dtype, np.dtype(spec.dtype), "same_kind"):
        raise SourceError(f"{alias} is {given.dtype}; the model takes {spec}")
    sides = spec.shape
    if sides is not None and (
        len(sides) != given.ndim
        or any(side not in (None, found) for side, found in zip(sides, given.shape, strict=True))
    ):
        raise SourceError(f"{alias} has the shape {list(given.shape)}; the model takes {spec}")
    return given.astype(spec.dtype, copy=False)


def _padded(answer: npt.NDArray[Any], most: int) -> npt.NDArray[Any]:
    """Whole graphs answer with a fixed number of detections, the last ones empty."""
    if answer.ndim == 1:
        return answer
    missing = [(0, 0), (0, most - answer.shape[1]), *[(0, 0)] * (answer.ndim - 2)]
    return np.pad(answer, missing)


def _spec(tensor: Any) -> TensorSpec:
    shape = tuple(tensor.shape.as_list()) if tensor.shape.rank is not None else None
    return TensorSpec(tensor.name, np.dtype(tensor.dtype.as_numpy_dtype).name, shape)
