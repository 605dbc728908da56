"""A frozen model on disk: `frozen_model.pb`, and `frozen_model.json` beside it.

The latter says what the inputs and outputs are called, where the model came from and how close to
that it is.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model_tools.errors import SourceError
from model_tools.regular_files import check_regular, read_at_most
from model_tools.sources.files import ModelFiles
from model_tools.sources.tensors import TensorSpec
from model_tools.tool_versions import tool_versions
from shared.artifact.strict_json import parse_json

GRAPH_NAME = "frozen_model.pb"
DETAILS_NAME = "frozen_model.json"
_LARGEST_DETAILS_BYTES = 64 << 20


@dataclass(frozen=True)
class FrozenDetails:
    """What `frozen_model.json` says."""

    sha256: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    consumer: str
    parity: dict[str, Any]
    # Format, name and SHA-256 of the source, and the versions of what froze it.
    provenance: dict[str, Any]
    # Of a detector that could be cut: the manifest's `cut`.
    cut: dict[str, Any] | None = None
    # SHA-256 by name of the files that the cut needs.
    cut_files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FrozenFolder:
    """A frozen graph on disk whose digest was checked."""

    graph: Path
    details: FrozenDetails

    def extra_files(self) -> dict[str, bytes]:
        """Return the files of the cut by name."""
        return {name: (self.graph.parent / name).read_bytes() for name in self.details.cut_files}


def write_frozen(
    folder: Path, graph: bytes, details: FrozenDetails, cut_files: dict[str, bytes] | None = None
) -> FrozenFolder:
    """Write all files, each whole or not at all; the graphs are in place before their details."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(details), indent=2, sort_keys=True) + "\n"
    for name, content in (
        *(cut_files or {}).items(),
        (GRAPH_NAME, graph),
        (DETAILS_NAME, text.encode()),
    ):
        unfinished = folder / f".{name}.part"
        try:
            unfinished.write_bytes(content)
            unfinished.replace(folder / name)
        finally:
            unfinished.unlink(missing_ok=True)
    return FrozenFolder(folder / GRAPH_NAME, details)


def read_frozen(path: Path) -> FrozenFolder:
    """Read the folder, or the frozen graph in it.

    Raises:
        SourceError: a file is missing or broken, or the graph is not the one that is described.
    """
    folder = path if path.is_dir() else path.parent
    file = folder / DETAILS_NAME
    check_regular(file)
    try:
        document = parse_json(read_at_most(file, _LARGEST_DETAILS_BYTES))
        details = FrozenDetails(
            sha256=document["sha256"],
            inputs=_specs(document["inputs"]),
            outputs=_specs(document["outputs"]),
            consumer=document["consumer"],
            parity=document["parity"],
            provenance=document["provenance"],
            cut=document["cut"],
            cut_files=document["cut_files"],
        )
    except FileNotFoundError:
        raise SourceError(f"{file} is missing; `deeplens model freeze` writes it") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file} is not what `deeplens model freeze` writes: {error!r}") from None
    for name, promised in {GRAPH_NAME: details.sha256, **details.cut_files}.items():
        found = sha256_of(folder / name)
        if found != promised:
            raise SourceError(
                f"{folder / name}: SHA-256 is {found}, {file.name} promises {promised}"
            )
    return FrozenFolder(folder / GRAPH_NAME, details)


def provenance_of(files: ModelFiles) -> dict[str, Any]:
    """Say what was frozen, and with what."""
    return {
        "source": {
            "format": files.kind.value,
            "name": files.path.name,
            "sha256": digest_of(files),
        },
        "tool_versions": tool_versions(),
    }


def sha256_of(file: Path) -> str:
    """SHA-256 of a file, lower-case hex; `SourceError` if it cannot be read."""
    check_regular(file)
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}") from None


def digest_of(files: ModelFiles) -> str:
    """A digest of every file of the model, names and contents, whatever folder it is in."""
    digest = hashlib.sha256()
    for file in sorted(_parts(files)):
        digest.update(os.fsencode(file.name) + b"\0" + sha256_of(file).encode() + b"\n")
    return digest.hexdigest()


def _parts(files: ModelFiles) -> Iterator[Path]:
    if files.path.is_dir():
        yield from (file for file in files.path.rglob("*") if file.is_file())
    elif files.path.is_file():
        yield files.path
    else:
        yield from files.path.parent.glob(f"{files.path.name}.*")
        if files.graph is not None and files.graph.suffix == ".pbtxt":
            yield files.graph


def _specs(document: dict[str, Any]) -> dict[str, TensorSpec]:
    return {
        alias: TensorSpec(
            spec["name"],
            spec["dtype"],
            tuple(spec["shape"]) if spec["shape"] is not None else None,
        )
        for alias, spec in document.items()
    }
