"""The record of every execution: one JSON line each, chained by hash.

Each line holds the SHA-256 of the one before and its own, so a line that was changed, removed or
put in between is found and named. `deeplens release approvals --local` reads the same file.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.pipeline import PipelineError

_BEGINNING = "0" * 64


def read(file: Path) -> list[dict[str, Any]]:
    """Return every execution, oldest first; no file is no execution.

    Raises:
        PipelineError: a line was changed, added or removed; the text names the line.
    """
    if not file.is_file():
        return []
    found: list[dict[str, Any]] = []
    # Not splitlines(), which also ends a line within a JSON text (U+2028).
    lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    for number, line in enumerate(lines if lines != [""] else [], 1):
        try:
            one = json.loads(line)
            said, previous = one["hash"], one["previous"]
        except (ValueError, TypeError, KeyError):
            raise PipelineError(f"{file}: line {number}: not an execution{_move(file)}") from None
        if said != _hash(one):
            raise PipelineError(f"{file}: line {number}: was changed{_move(file)}")
        if previous != (found[-1]["hash"] if found else _BEGINNING):
            raise PipelineError(
                f"{file}: line {number}: does not follow the line before it{_move(file)}"
            )
        found.append(one)
    return found


def append(file: Path, execution: dict[str, Any]) -> None:
    """Add an execution to the end of a record that is whole."""
    before = read(file)
    linked = {**execution, "previous": before[-1]["hash"] if before else _BEGINNING}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as record:
        line = {**linked, "hash": _hash(linked)}
        record.write(json.dumps(line, ensure_ascii=False) + "\n")


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Keep other executions of this checkout out.

    Raises:
        PipelineError: one runs.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with (file.parent / "lock").open("w", encoding="utf-8") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PipelineError("another execution runs in this checkout; wait for it") from None
        yield


def _hash(execution: dict[str, Any]) -> str:
    content = {name: value for name, value in execution.items() if name != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _move(file: Path) -> str:
    return f"; keep the file for whoever looks into it, and begin anew: `mv {file} {file}.broken`"
