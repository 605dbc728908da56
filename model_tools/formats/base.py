"""The interface of a model format."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from model_tools.errors import SourceError
from model_tools.formats.signatures import Choice
from model_tools.formats.tensors import LoadedModel


@dataclass(frozen=True)
class SearchPath:
    """A path to search for a model, and the context of the search."""

    # A file, a folder, or the prefix of a checkpoint.
    path: Path
    # An existing folder for temporary files.
    workspace: Path
    # The prefix of the weights of a .pbtxt graph.
    checkpoint: Path | None = None


@dataclass(frozen=True)
class SourceModel(ABC):
    """A model on disk; each subclass is one format.

    `detect` and `check` run without TensorFlow. `load` imports TensorFlow: for untrusted files,
    call `load` in a limited process (`model_tools.sandbox`).
    """

    # The format's name in the provenance of artifacts.
    format_name: ClassVar[str]
    # An example for the error that lists the formats.
    example: ClassVar[str]

    # The folder or file, or the prefix of a checkpoint.
    path: Path

    @classmethod
    @abstractmethod
    def detect(cls, place: SearchPath) -> "list[SourceModel]":
        """Return the models of this format in a file or folder.

        Raises:
            SourceError: the model is incomplete.
            AmbiguousError: there are several models of equal precedence.
        """

    @abstractmethod
    def check(self, choice: Choice) -> object:
        """Check the model against the rules for untrusted files.

        Raises:
            SourceError: a file is missing or broken.
            AmbiguousError: signature, inputs or outputs must be chosen.
            RefusedError: the model breaks a rule.
        """

    def check_before_sandbox(self, choice: Choice) -> None:
        """Run the checks whose sandbox has smaller limits than TensorFlow's; by default, none.

        Raises:
            SourceError, AmbiguousError, RefusedError: see `check`.
        """
        del choice

    def load(self, choice: Choice) -> LoadedModel:
        """Check and load the model.

        Raises:
            SourceError: a file is missing or broken, or an input takes strings.
            AmbiguousError: signature, inputs or outputs must be chosen.
            RefusedError: the model breaks a rule.
        """
        model = self._load(choice)
        string_inputs = [alias for alias, spec in model.inputs.items() if spec.dtype == "object"]
        if string_inputs:
            raise SourceError(
                f"{', '.join(string_inputs)} takes strings; a camera gives images: "
                f"{self._advice_for_strings(choice)}"
            )
        return model

    @abstractmethod
    def _load(self, choice: Choice) -> LoadedModel:
        """Check and load the model, with inputs of any type."""

    def _advice_for_strings(self, _choice: Choice) -> str:
        return (
            "save it with a signature that takes the decoded image, or name that tensor of a "
            "TensorFlow 1 graph with --input"
        )

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files and folders that determine the size of the model."""
        return (self.path,)

    def files(self) -> Iterable[Path]:
        """Yield every file of the model."""
        if self.path.is_dir():
            yield from (file for file in self.path.rglob("*") if file.is_file())
        else:
            yield self.path

    def nodes(self) -> Iterable[Any]:
        """Return the nodes of the stored graph; empty if the format has functions or no graph."""
        return ()

    def signatures(self) -> dict[str, Any]:
        """Return the SignatureDefs of all graphs by key; empty if the format has no signatures."""
        return {}


@dataclass(frozen=True)
class ModelFile(SourceModel):
    """A format of a single file, detected by its suffix."""

    suffixes: ClassVar[frozenset[str]]
    # Suffixes of files that are ignored in folders.
    unsearched_suffixes: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def detect(cls, place: SearchPath) -> list[SourceModel]:
        """Return the file if its suffix matches, or all files of this format below a folder."""
        if place.path.is_file():
            return [cls(place.path)] if place.path.suffix.lower() in cls.suffixes else []
        searched = cls.suffixes - cls.unsearched_suffixes
        return [cls(file) for file in sorted(place.path.rglob("*")) if file.suffix in searched]
