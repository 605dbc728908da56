"""Load a model of any format.

Imports TensorFlow: for files from outside, call it in a limited process (`isolated`).
"""

from model_tools.sources import functions, session
from model_tools.sources.checks import check_files
from model_tools.sources.files import Kind, ModelFiles
from model_tools.sources.selection import Choice
from model_tools.sources.tensors import LoadedModel


def load_model(files: ModelFiles, choice: Choice) -> LoadedModel:
    """Check and load what `find_model` found.

    Raises:
        SourceError: it is broken, or lacks a file.
        AmbiguousError: signature, inputs or outputs must be chosen.
        RefusedError: it breaks a rule for files from outside.
    """
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
