"""Load a model of any format.

Imports TensorFlow: for files from outside, call it in a limited process (`isolated`).
"""

from model_tools.errors import SourceError
from model_tools.formats import tf1, tf2
from model_tools.formats.checked_graph import check_files, tagged
from model_tools.formats.detect import Kind, ModelFiles
from model_tools.formats.signatures import Choice
from model_tools.formats.tensors import LoadedModel

# Number of types.proto.
_STRING = 7


def load_model(files: ModelFiles, choice: Choice) -> LoadedModel:
    """Check and load what `find_model` found.

    Raises:
        SourceError: it is broken, or lacks a file.
        AmbiguousError: signature, inputs or outputs must be chosen.
        RefusedError: it breaks a rule for files from outside.
    """
    model = _loaded(files, choice)
    texts = [alias for alias, spec in model.inputs.items() if spec.dtype == "object"]
    if texts:
        others = _without_texts(files, choice)
        advice = (
            f"choose a signature that takes an image: --signature {' or '.join(others)}"
            if others
            else "save it with a signature that takes the decoded image, or name that tensor of a "
            "TensorFlow 1 graph with --input"
        )
        raise SourceError(f"{', '.join(texts)} takes strings; a camera gives images: {advice}")
    return model


def _loaded(files: ModelFiles, choice: Choice) -> LoadedModel:
    checked = check_files(files, choice)
    if files.kind is Kind.SAVED_MODEL_2:
        return tf2.load_saved_model(files, choice)
    if checked is None:
        return tf2.load_keras(files, choice)
    if files.kind is Kind.SAVED_MODEL_1:
        return tf1.load_saved_model(files, choice, checked)
    if files.kind is Kind.CHECKPOINT:
        return tf1.load_checkpoint(files, checked)
    return tf1.load_frozen(files, checked)


def _without_texts(files: ModelFiles, choice: Choice) -> list[str]:
    """Return the other signatures of a SavedModel whose inputs are numbers."""
    if files.kind not in {Kind.SAVED_MODEL_1, Kind.SAVED_MODEL_2}:
        return []
    return [
        key
        for key, signature in sorted(tagged(files, choice).signature_def.items())
        if not key.startswith("__")
        and signature.inputs
        and all(info.dtype != _STRING for info in signature.inputs.values())
    ]
