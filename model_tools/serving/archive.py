"""What SageMaker's container finds in a model.tar.gz."""

import re
from pathlib import Path

from model_tools.errors import SourceError
from model_tools.sources.archives import unpack_tar

_FROZEN_OR_KERAS = {".pb", ".keras", ".h5"}


def unpack_models(archive: Path, destination: Path) -> dict[str, Path]:
    """Unpack a model.tar.gz, and return the base paths of its models by their names.

    As the container: a model is a folder with numbered SavedModels, called by that folder's name;
    numbered folders at the top are those of `model`.

    Raises:
        SourceError: there is none; the text says what is there instead.
        RefusedError: the archive breaks a rule of `model_tools.sources.archives`.
    """
    if not archive.is_file():
        raise SourceError(f"{archive}: there is no such file")
    unpack_tar(archive, destination)
    found: dict[str, Path] = {}
    for file in sorted(destination.rglob("saved_model.pb")):
        base = file.parent.parent
        if re.fullmatch("[0-9]+", file.parent.name):
            name = "model" if base == destination else base.name
            if found.setdefault(name, base) != base:
                raise SourceError(f"{archive} has two models called {name}")
    if not found:
        raise SourceError(f"{archive} cannot be served: {_instead(destination)}")
    return found


def _instead(folder: Path) -> str:
    if any(folder.rglob("*-symbol.json")):
        return (
            "it holds an MXNet model, which is validated and packed here, and run by SageMaker's "
            "MXNet container only"
        )
    if stray := next(iter(sorted(folder.rglob("saved_model.pb"))), None):
        where = stray.parent.relative_to(folder)
        return (
            f"its SavedModel is in {where}/, and the container looks for numbered folders; "
            "`deeplens model host-package` packs it as export/Servo/1/"
        )
    for file in sorted(folder.rglob("*")):
        if file.suffix in _FROZEN_OR_KERAS:
            return (
                f"{file.relative_to(folder)} is no SavedModel; "
                "`deeplens model host-package` says how to make one"
            )
    return "it holds no SavedModel (export/Servo/<number>/saved_model.pb)"
