"""Load, replace and unload the numbered versions of a model below its base path.

As in TensorFlow Serving, the highest numbers are served, and a replaced version is unloaded only
when its successor is loaded. If a version cannot be loaded, its status contains the error, and the
previous version remains. The load is retried when the files change, because the first attempt may
have read an incomplete copy.
"""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from model_tools.errors import ModelToolsError, RefusedError, SourceError
from model_tools.serving.batching import BatchedEngine, BatchingOptions
from model_tools.serving.engines import Engine, load_engine
from model_tools.serving.http_types import RequestError
from model_tools.serving.signatures import Servable

LOG = logging.getLogger(__name__)

_NUMBER = re.compile(r"0*([0-9]{1,18})")
# The error code of a version whose files are not valid.
INVALID_ARGUMENT = "INVALID_ARGUMENT"

_Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class ServedVersion:
    """A loaded version."""

    number: int
    servable: Servable
    engine: Engine


@dataclass(frozen=True)
class VersionState:
    """The status of a version."""

    # The state: LOADING, AVAILABLE or END.
    state: str
    error_code: str = "OK"
    error_message: str = ""


Load = Callable[[int, Path], ServedVersion]


class ServedModel:
    """A model and its versions, which only `poll` loads and unloads."""

    def __init__(
        self,
        name: str,
        base_path: Path,
        load: Load,
        *,
        latest_versions: int = 1,
        labels: Mapping[str, int] | None = None,
    ) -> None:
        """Serve the highest versions below `base_path`, and the versions that have labels."""
        self.name = name
        # Called with one sentence for each version that cannot be served.
        self.report: Callable[[str], None] = LOG.warning
        self._base_path = base_path
        self._load = load
        self._latest_versions = latest_versions
        self._labels = dict(labels or {})
        self._versions: dict[int, ServedVersion] = {}
        self._states: dict[int, VersionState] = {}
        self._failed: dict[int, _Fingerprint] = {}
        self._polling = threading.Lock()

    def poll(self) -> None:
        """Load new versions and unload old versions; each load takes seconds."""
        with self._polling:
            folders = find_versions(self._base_path)
            for number in set(self._labels.values()) & folders.keys():
                self._load_if_new(number, folders[number])
            loaded = 0
            for number in sorted(folders, reverse=True):
                if loaded == self._latest_versions:
                    break
                loaded += self._load_if_new(number, folders[number])
            self._unload_old(folders)

    def version(self, number: int | None = None, label: str | None = None) -> ServedVersion:
        """Return the version with a number or label, by default the highest version.

        Raises:
            RequestError: 404, the version is not served; 400, the label does not exist.
        """
        if label is not None:
            if label not in self._labels:
                raise RequestError(400, f"Unrecognized servable version label: {label}")
            number = self._labels[label]
        versions = self._versions
        request = f"Latest({self.name})" if number is None else f"Specific({self.name}, {number})"
        selected = max(versions, default=None) if number is None else number
        if selected is None or selected not in versions:
            raise RequestError(404, f"Servable not found for request: {request}")
        return versions[selected]

    def states(self) -> dict[int, VersionState]:
        """Return the state of each version by number, highest first."""
        states = dict(self._states)
        return {number: states[number] for number in sorted(states, reverse=True)}

    def label(self, name: str) -> int | None:
        """Return the version number of a label, or None if the label does not exist."""
        return self._labels.get(name)

    def _load_if_new(self, number: int, folder: Path) -> bool:
        """Load a version if it is not loaded, and return whether it is loaded afterwards."""
        if number in self._versions:
            return True
        fingerprint = _fingerprint(folder)
        if self._failed.get(number) == fingerprint:
            return False
        self._states[number] = VersionState("LOADING")
        try:
            version = self._load(number, folder)
        except (ModelToolsError, OSError) as error:
            is_invalid = isinstance(error, SourceError | RefusedError)
            self._failed[number] = fingerprint
            self._states[number] = VersionState(
                "END", INVALID_ARGUMENT if is_invalid else "INTERNAL", str(error)
            )
            self.report(f"version {number} of {self.name} is not served: {error}")
            return False
        self._failed.pop(number, None)
        # Requests read this dictionary without a lock, so it is replaced and never changed.
        self._versions = {**self._versions, number: version}
        self._states[number] = VersionState("AVAILABLE")
        LOG.info("version %d of %s is served", number, self.name)
        return True

    def _unload_old(self, folders: dict[int, Path]) -> None:
        existing = [number for number in sorted(self._versions, reverse=True) if number in folders]
        served = {
            *existing[: self._latest_versions],
            *(set(self._labels.values()) & set(existing)),
        }
        for number in self._versions.keys() - served:
            self._states[number] = VersionState("END")
            LOG.info("version %d of %s is not served any more", number, self.name)
        self._versions = {number: self._versions[number] for number in sorted(served)}
        for number in self._failed.keys() - folders.keys():
            del self._failed[number], self._states[number]


def load_version(
    number: int, servable: Servable, engine: str, batching: BatchingOptions | None = None
) -> ServedVersion:
    """Load a SavedModel on an engine, with batching if options are given.

    Raises:
        ServingError: the engine cannot load the SavedModel.
    """
    loaded = load_engine(engine, servable)
    return ServedVersion(number, servable, BatchedEngine(loaded, batching) if batching else loaded)


def find_versions(base_path: Path) -> dict[int, Path]:
    """Return the folders whose names are numbers, by number, as in TensorFlow Serving."""
    if not base_path.is_dir():
        return {}
    return {
        int(match[1]): folder
        for folder in base_path.iterdir()
        if (match := _NUMBER.fullmatch(folder.name)) and folder.is_dir()
    }


def _fingerprint(folder: Path) -> _Fingerprint:
    files = []
    for file in sorted(folder.rglob("*")):
        try:
            stat = file.stat()
        except FileNotFoundError:
            continue
        files.append((str(file), stat.st_size, stat.st_mtime_ns))
    return tuple(files)
