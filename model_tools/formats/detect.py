"""Find the model in a file or folder, and its format, without TensorFlow."""

from pathlib import Path

from model_tools.errors import AmbiguousError, SourceError
from model_tools.formats.archives import unpack_tar
from model_tools.formats.base import SearchPath, SourceModel
from model_tools.formats.checkpoint import Checkpoint
from model_tools.formats.frozen_graph import FrozenGraph
from model_tools.formats.keras_file import KerasFile, KerasHdf5File
from model_tools.formats.saved_model import SavedModel

# The formats in order of precedence, because a SavedModel's folder may contain checkpoints and .pb
# files. Formats in one row have equal precedence: two models of such formats are ambiguous.
FORMATS: tuple[tuple[type[SourceModel], ...], ...] = (
    (SavedModel,),
    (Checkpoint,),
    (KerasFile, KerasHdf5File, FrozenGraph),
)
_MOST_LISTED = 8


def find_model(source: Path, workspace: Path, checkpoint: Path | None = None) -> SourceModel:
    """Return the model in `source`; an archive is first unpacked below `workspace`.

    Args:
        source: a file or folder in any of `FORMATS`, the prefix of a checkpoint, or a .tar.gz that
            contains a model.
        workspace: an existing folder for temporary files.
        checkpoint: prefix of the weights that belong to a .pbtxt graph.

    Raises:
        SourceError: there is no model, or the model is incomplete.
        AmbiguousError: there are several models.
        RefusedError: an archive breaks a rule.
    """
    place = SearchPath(source, workspace, checkpoint)
    if source.is_file() and source.name.lower().endswith((".tar.gz", ".tgz")):
        place = SearchPath(workspace / "unpacked", workspace)
        unpack_tar(source, place.path)
    for formats in FORMATS:
        models = [model for model_format in formats for model in model_format.detect(place)]
        if len(models) > 1:
            paths = sorted(model.path.relative_to(place.path) for model in models)
            listed = ", ".join(map(str, paths[:_MOST_LISTED]))
            raise AmbiguousError(
                f"{place.path} contains several models; name one of them: {listed}"
            )
        if models:
            return models[0]
    examples = [model_format.example for formats in FORMATS for model_format in formats]
    raise SourceError(
        f"{place.path} does not contain a model: expected {', '.join(examples)}, or a .tar.gz that "
        "contains one of these"
    )
