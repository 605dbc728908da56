"""The numbered versions of a model below its base path: found, loaded, replaced, and given up.

As TensorFlow Serving: the highest numbers are served; a version that is replaced goes only when its
successor is loaded. One that cannot be loaded is shown so, the one before goes on, and it is tried
again when its files change (perhaps it was still being copied).
"""

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from model_tools.errors import ModelToolsError, RefusedError, SourceError
from model_tools.serving.engines import Engine
from model_tools.serving.http_types import RequestError
from model_tools.serving.signatures import Servable

LOG = logging.getLogger(__name__)

_NUMBER = re.compile(r"0*([0-9]{1,18})")
# The code of a version whose files are at fault.
INVALID_ARGUMENT = "INVALID_ARGUMENT"

_Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Version:
    """One that answers."""

    number: int
    servable: Servable
    engine: Engine


@dataclass(frozen=True)
class State:
    """What the status of a version says."""

    # LOADING, AVAILABLE or END.
    state: str
    error_code: str = "OK"
    error_message: str = ""


Load = Callable[[int, Path], Version]


class ServedModel:
    """A model by its name; `poll` loads and replaces, everything else only looks."""

    def __init__(
        self,
        name: str,
        base_path: Path,
        load: Load,
        *,
        keep: int = 1,
        labels: Mapping[str, int] | None = None,
    ) -> None:
        """Serve the `keep` highest versions below `base_path`, and those that have a label."""
        self.name = name
        # Called with one sentence about each version that cannot be served.
        self.report: Callable[[str], None] = LOG.warning
        self._base_path = base_path
        self._load = load
        self._keep = keep
        self._labels = dict(labels or {})
        self._versions: dict[int, Version] = {}
        self._states: dict[int, State] = {}
        self._broken: dict[int, _Fingerprint] = {}
        self._polling = threading.Lock()

    def poll(self) -> None:
        """Look for versions, load what is new, and let go what is old. Loading takes seconds."""
        with self._polling:
            found = versions_below(self._base_path)
            for number in set(self._labels.values()) & found.keys():
                self._try(number, found[number])
            good = 0
            for number in sorted(found, reverse=True):
                if good == self._keep:
                    break
                good += self._try(number, found[number])
            self._let_go(found)

    def version(self, number: int | None = None, label: str | None = None) -> Version:
        """Return the version of a number or label, or else the highest one.

        Raises:
            RequestError: 404, it is not served; 400, there is no such label.
        """
        if label is not None:
            if label not in self._labels:
                raise RequestError(400, f"Unrecognized servable version label: {label}")
            number = self._labels[label]
        versions = self._versions
        wanted = f"Latest({self.name})" if number is None else f"Specific({self.name}, {number})"
        chosen = max(versions, default=None) if number is None else number
        if chosen is None or chosen not in versions:
            raise RequestError(404, f"Servable not found for request: {wanted}")
        return versions[chosen]

    def states(self) -> dict[int, State]:
        """Return what is known of every version, highest first."""
        states = dict(self._states)
        return {number: states[number] for number in sorted(states, reverse=True)}

    def label(self, name: str) -> int | None:
        """Return the number of a label."""
        return self._labels.get(name)

    def _try(self, number: int, folder: Path) -> bool:
        """Tell whether the version is, or now became, one that answers."""
        if number in self._versions:
            return True
        seen = _fingerprint(folder)
        if self._broken.get(number) == seen:
            return False
        self._states[number] = State("LOADING")
        try:
            version = self._load(number, folder)
        except (ModelToolsError, OSError) as error:
            given = isinstance(error, SourceError | RefusedError)
            self._broken[number] = seen
            self._states[number] = State(
                "END", INVALID_ARGUMENT if given else "INTERNAL", str(error)
            )
            self.report(f"version {number} of {self.name} is not served: {error}")
            return False
        self._broken.pop(number, None)
        # Requests read this without a lock: it is replaced, never changed.
        self._versions = {**self._versions, number: version}
        self._states[number] = State("AVAILABLE")
        LOG.info("version %d of %s is served", number, self.name)
        return True

    def _let_go(self, there: dict[int, Path]) -> None:
        still = [number for number in sorted(self._versions, reverse=True) if number in there]
        wanted = {*still[: self._keep], *(set(self._labels.values()) & set(still))}
        for number in self._versions.keys() - wanted:
            self._states[number] = State("END")
            LOG.info("version %d of %s is not served any more", number, self.name)
        self._versions = {number: self._versions[number] for number in sorted(wanted)}
        for number in self._broken.keys() - there.keys():
            del self._broken[number], self._states[number]


def versions_below(base_path: Path) -> dict[int, Path]:
    """Return the folders that are called by a number, as TensorFlow Serving finds them."""
    if not base_path.is_dir():
        return {}
    return {
        int(match[1]): folder
        for folder in base_path.iterdir()
        if (match := _NUMBER.fullmatch(folder.name)) and folder.is_dir()
    }


def _fingerprint(folder: Path) -> _Fingerprint:
    found = []
    for file in sorted(folder.rglob("*")):
        try:
            stat = file.stat()
        except FileNotFoundError:
            continue
        found.append((str(file), stat.st_size, stat.st_mtime_ns))
    return tuple(found)
