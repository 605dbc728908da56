"""Load a model of any format.

Imports TensorFlow: for files from outside, call it in a limited process (`isolated`).
"""

from model_tools.errors import SourceError
from model_tools.sources import functions, session
from model_tools.sources.checks import check_files, tagged
from model_tools.sources.files import Kind, ModelFiles
from model_tools.sources.selection import Choice
from model_tools.sources.tensors import LoadedModel

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
        return functions.load_saved_model(files, choice)
    if checked is None:
        return functions.load_keras(files, choice)
    if files.kind is Kind.SAVED_MODEL_1:
        return session.load_saved_model(files, choice, checked)
    if files.kind is Kind.CHECKPOINT:
        return session.load_checkpoint(files, checked)
    return session.load_frozen(files, checked)


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
