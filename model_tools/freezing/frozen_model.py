"""A frozen model on disk: `frozen_model.pb` and `frozen_model.json`.

The JSON file contains inputs, outputs, provenance, and the differences from the source model.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from model_tools.errors import SourceError
from model_tools.formats.base import SourceModel
from model_tools.formats.tensors import TensorSpec
from model_tools.graph.messages import read_message
from model_tools.graph.queries import activation_of
from model_tools.regular_files import check_regular, read_at_most
from model_tools.tool_versions import tool_versions
from shared.artifact.strict_json import parse_json

GRAPH_NAME = "frozen_model.pb"
DETAILS_NAME = "frozen_model.json"
_LARGEST_DETAILS_BYTES = 64 << 20


@dataclass(frozen=True)
class FrozenDetails:
    """The content of `frozen_model.json`."""

    sha256: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    consumer: str
    parity: dict[str, Any]
    # Format, name and digest of the source, and versions of the libraries.
    provenance: dict[str, Any]
    # The `cut` section of the manifest if a detector was split.
    cut: dict[str, Any] | None = None
    # SHA-256 of the files of the split, by file name.
    cut_files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FrozenFolder:
    """A frozen graph on disk with a verified digest."""

    graph: Path
    details: FrozenDetails

    def extra_files(self) -> dict[str, bytes]:
        """Return the content of the split's files by name."""
        return {name: (self.graph.parent / name).read_bytes() for name in self.details.cut_files}

    def activation(self) -> str | None:
        """Return the activation of the only output, `softmax` or `sigmoid`, or None."""
        if len(self.details.outputs) != 1:
            return None
        (output,) = self.details.outputs.values()
        return activation_of(read_message(self.graph, "GraphDef"), output.name)


def write_frozen(
    folder: Path, graph: bytes, details: FrozenDetails, cut_files: dict[str, bytes] | None = None
) -> FrozenFolder:
    """Write each file atomically, and the graphs before their details."""
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
    """Read a frozen model from its folder, or from the path of its graph.

    Raises:
        SourceError: a file is missing or not valid, or has another digest.
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
        raise SourceError(
            f"{file} is not a file of `deeplens model freeze`: {error!r}; freeze the model again"
        ) from None
    for name, recorded in {GRAPH_NAME: details.sha256, **details.cut_files}.items():
        digest = sha256_of(folder / name)
        if digest != recorded:
            raise SourceError(
                f"{folder / name} has the SHA-256 {digest}: expected {recorded}, as in "
                f"{file.name}; freeze the model again"
            )
    return FrozenFolder(folder / GRAPH_NAME, details)


def provenance_of(model: SourceModel) -> dict[str, Any]:
    """Return the format, name and digest of a model, and the versions of the libraries."""
    return {
        "source": {
            "format": model.format_name,
            "name": model.path.name,
            "sha256": digest_of(model),
        },
        "tool_versions": tool_versions(),
    }


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file in lower-case hex.

    Raises:
        SourceError: the file cannot be read.
    """
    check_regular(file)
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{file}: {error.strerror}") from None


def digest_of(model: SourceModel) -> str:
    """Return a digest of the names and contents of a model's files; paths do not affect it."""
    digest = hashlib.sha256()
    for file in sorted(model.files()):
        digest.update(os.fsencode(file.name) + b"\0" + sha256_of(file).encode() + b"\n")
    return digest.hexdigest()


def _specs(document: dict[str, Any]) -> dict[str, TensorSpec]:
    return {
        alias: TensorSpec(
            spec["name"],
            spec["dtype"],
            tuple(spec["shape"]) if spec["shape"] is not None else None,
        )
        for alias, spec in document.items()
    }
