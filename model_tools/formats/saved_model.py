"""SavedModels of TensorFlow 1 and 2."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_tools.errors import AmbiguousError, SourceError
from model_tools.formats.base import SearchPath, SourceModel
from model_tools.formats.checked_graph import VARIABLES, CheckedGraph, check_graph
from model_tools.formats.signatures import Choice, chosen_keys, reject_tensor_names, signed
from model_tools.formats.tensors import LoadedModel
from model_tools.formats.trimming import INIT_SIGNATURE, SAVED_MODEL_NAME, run_on_load, trim
from model_tools.graph.allowed_ops import LOADING_OPS
from model_tools.graph.messages import message_class, read_message, scan_file
from model_tools.graph.rules import check_ops, check_structure

_SEARCH_DEPTH = 4
_MOST_LISTED = 8
_VERSION = re.compile(r"[0-9]{1,18}")
# The value of DT_STRING in types.proto.
_STRING = 7


@dataclass(frozen=True)
class SavedModel(SourceModel):
    """A folder with a saved_model.pb; `detect` returns a `SavedModel1` or a `SavedModel2`."""

    example = "the folder of a SavedModel"

    @classmethod
    def detect(cls, place: SearchPath) -> list[SourceModel]:
        """Return the SavedModel of a file or folder; if there are several versions, the highest."""
        path = place.path
        if path.is_file():
            return [_of_version(path.parent)] if path.name.lower() == SAVED_MODEL_NAME else []
        if (path / SAVED_MODEL_NAME).is_file():
            return [_of_version(path)]
        # A checkpoint without a prefix is a model, so its subfolders are not searched.
        if (path / ".meta").is_file():
            return []
        patterns = [
            "/".join(["*"] * depth + [SAVED_MODEL_NAME]) for depth in range(1, _SEARCH_DEPTH + 1)
        ]
        folders = sorted(file.parent for pattern in patterns for file in path.glob(pattern))
        return [_of_version(_newest(path, folders))] if folders else []

    def meta_graph(self, choice: Choice) -> Any:
        """Return the MetaGraphDef with the chosen tags.

        Raises:
            SourceError: no graph has these tags.
        """
        saved = read_message(self.path / SAVED_MODEL_NAME, "SavedModel")
        tags = set(choice.tags)
        for meta in saved.meta_graphs:
            if set(meta.meta_info_def.tags) == tags:
                return meta
        available = "; ".join(
            ", ".join(sorted(meta.meta_info_def.tags)) or "(none)" for meta in saved.meta_graphs
        )
        raise SourceError(
            f"{self.path}: no graph has the tags {', '.join(sorted(tags))}; available: {available}"
        )

    def check_all_signatures(self, choice: Choice) -> Any:
        """Check all signatures, for an engine that loads all of them.

        Returns:
            The MetaGraphDef with the chosen tags, without the nodes that `trim` drops.

        Raises:
            SourceError: a file is missing or broken, or no graph has the chosen tags.
            RefusedError: the model breaks a rule.
        """
        meta = self.meta_graph(choice)
        check_structure(meta.graph_def)
        trim(meta, run_on_load(meta))
        for key, signature in meta.signature_def.items():
            if key != INIT_SIGNATURE:
                check_ops(meta.graph_def, [info.name for info in signature.outputs.values()])
        check_ops(meta.graph_def, run_on_load(meta), LOADING_OPS)
        if self._has_weights(meta):
            self._require_weights()
        return meta

    def signatures(self) -> dict[str, Any]:
        """Return the SignatureDefs of all graphs by key, except TensorFlow's internal ones."""
        saved = read_message(self.path / SAVED_MODEL_NAME, "SavedModel")
        return {
            key: signature
            for meta in saved.meta_graphs
            for key, signature in sorted(meta.signature_def.items())
            if not key.startswith("__")
        }

    def _has_weights(self, meta: Any) -> bool:
        return any(node.op in VARIABLES for node in meta.graph_def.node)

    def _require_weights(self) -> None:
        index = self.path / "variables" / "variables.index"
        if not index.is_file() or not any(index.parent.glob("variables.data-*")):
            raise SourceError(
                f"{index.parent} is missing or incomplete: it contains the weights of the model "
                "(variables.index, variables.data-*)"
            )

    def _advice_for_strings(self, choice: Choice) -> str:
        keys = [
            key
            for key, signature in sorted(self.meta_graph(choice).signature_def.items())
            if not key.startswith("__")
            and signature.inputs
            and all(info.dtype != _STRING for info in signature.inputs.values())
        ]
        if not keys:
            return super()._advice_for_strings(choice)
        return f"choose a signature that takes an image: --signature {' or '.join(keys)}"


@dataclass(frozen=True)
class SavedModel1(SavedModel):
    """A SavedModel of TensorFlow 1, whose signatures name tensors of one graph."""

    format_name = "TensorFlow 1 SavedModel"

    def check(self, choice: Choice) -> CheckedGraph:
        """Check the chosen outputs, and the nodes that run when the model is loaded."""
        meta = self.meta_graph(choice)
        check_structure(meta.graph_def)
        checked = check_graph(choice, meta.graph_def, dict(meta.signature_def))
        check_ops(meta.graph_def, run_on_load(meta), LOADING_OPS)
        if self._has_weights(meta):
            self._require_weights()
        return checked

    def _load(self, choice: Choice) -> LoadedModel:
        checked = self.check(choice)
        from model_tools.formats import tf1  # noqa: PLC0415 - imports TensorFlow

        return tf1.load_saved_model(self.path, choice, checked)


@dataclass(frozen=True)
class SavedModel2(SavedModel):
    """A SavedModel of TensorFlow 2, whose signatures are functions."""

    format_name = "TensorFlow 2 SavedModel"

    def check(self, choice: Choice) -> None:
        """Check all signatures, because TensorFlow loads all of them."""
        reject_tensor_names(choice, self.format_name)
        meta = self.check_all_signatures(choice)
        _, outputs = signed(choice, dict(meta.signature_def))
        chosen_keys(choice.outputs, list(outputs))

    def _load(self, choice: Choice) -> LoadedModel:
        self.check(choice)
        from model_tools.formats import tf2  # noqa: PLC0415 - imports TensorFlow

        return tf2.load_saved_model(self.path, choice)

    def _has_weights(self, _meta: Any) -> bool:
        return True


def _of_version(folder: Path) -> SavedModel:
    fields = scan_file(folder / SAVED_MODEL_NAME, message_class("SavedModel"))
    if "meta_graphs" not in fields:
        raise SourceError(f"{folder / SAVED_MODEL_NAME} does not contain a graph")
    has_objects = "meta_graphs.object_graph_def" in fields
    return SavedModel2(folder) if has_objects else SavedModel1(folder)


def _newest(folder: Path, folders: list[Path]) -> Path:
    """Return the only folder or, like TensorFlow Serving, the folder with the highest number."""
    is_versioned = all(_VERSION.fullmatch(version.name) for version in folders)
    if is_versioned and len({version.parent for version in folders}) == 1:
        return max(folders, key=lambda version: int(version.name))
    if len(folders) > 1:
        listed = ", ".join(str(path.relative_to(folder)) for path in folders[:_MOST_LISTED])
        raise AmbiguousError(f"{folder} contains several SavedModels; name one of them: {listed}")
    return folders[0]
