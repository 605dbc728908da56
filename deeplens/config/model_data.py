"""Checks of the `model.tar.gz` of an endpoint's variant."""

import hashlib
import re
import tarfile
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deeplens.config.base import ConfigError
from deeplens.config.deep_learning_containers import Framework
from deeplens.config.hosting import VariantConfig

_SAVED_MODEL = re.compile(r"(\./)?(.+/)?[0-9]+/saved_model\.pb")
_MXNET_FILES = ("model-symbol.json", "model-0000.params", "model-shapes.json")
_MOST_MEMBERS = 10_000


@dataclass(frozen=True)
class ModelData:
    """A checked model archive of a variant, and the SHA-256 of the archive."""

    path: Path
    digest: str


def load_model_data(models: Path, variant: VariantConfig) -> ModelData:
    """Return the archive of a variant below `models`, after a check of its digest and file names.

    Raises:
        ConfigError: the archive is absent, is not a tar compressed by gzip, has another digest or
            too many members, or lacks files of the framework.
    """
    path = models / variant.model_data
    key = f"{path}: hosting.variants: {variant.name}"
    if not path.is_file():
        raise ConfigError(
            f"{key}: the archive does not exist; create it with `deeplens model host-package`"
        )
    modified_ns = path.stat().st_mtime_ns
    digest = _sha256(path, modified_ns)
    if variant.digest not in (None, digest):
        raise ConfigError(
            f"{key}: the SHA-256 of the archive is {digest}, expected {variant.digest}; "
            "if the change is intended, write the new digest"
        )
    problem = _problem(path, modified_ns, variant.framework)
    if problem:
        raise ConfigError(f"{key}: {problem}; `deeplens model host-package` writes a valid one")
    return ModelData(path, digest)


@cache
def _sha256(path: Path, _modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _problem(path: Path, _modified_ns: int, framework: Framework) -> str | None:
    """Return the first problem with an archive's format or member names; None if there is none."""
    names = []
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                names.append(member.name)
                if len(names) > _MOST_MEMBERS:
                    return f"it has more than {_MOST_MEMBERS} members"
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        return f"it is not a tar archive compressed by gzip: {error}"
    if framework == "tensorflow" and not any(_SAVED_MODEL.fullmatch(name) for name in names):
        return (
            "it has no SavedModel in the folder that TensorFlow's container reads: "
            "<folder>/<number>/saved_model.pb, for example export/Servo/1/saved_model.pb"
        )
    if framework == "mxnet":
        there = {name.removeprefix("./") for name in names}
        missing = [name for name in _MXNET_FILES if name not in there]
        if missing:
            return f"it lacks files that MXNet's container loads: {', '.join(missing)}"
    return None
