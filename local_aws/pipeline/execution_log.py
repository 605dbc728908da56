"""The log of executions: JSON lines in a hash chain.

Each line contains its SHA-256 and that of the previous line, so changed, removed and inserted lines
are detected. `deeplens release approvals --local` reads the same file.
"""

import fcntl
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local_aws.pipeline import PipelineError

_FIRST_PREVIOUS = "0" * 64


def read(file: Path) -> list[dict[str, Any]]:
    """Return the executions, oldest first; none if the file does not exist.

    Raises:
        PipelineError: a line was changed, added or removed; the message contains its number.
    """
    if not file.is_file():
        return []
    executions: list[dict[str, Any]] = []
    # splitlines() also splits at U+2028, which a JSON string can contain.
    lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    for number, line in enumerate(lines if lines != [""] else [], 1):
        try:
            execution = json.loads(line)
            digest, previous = execution["hash"], execution["previous"]
        except (ValueError, TypeError, KeyError):
            raise PipelineError(
                f"{file}: line {number}: not an execution{_recovery(file)}"
            ) from None
        if digest != _hash(execution):
            raise PipelineError(f"{file}: line {number}: was changed{_recovery(file)}")
        if previous != (executions[-1]["hash"] if executions else _FIRST_PREVIOUS):
            raise PipelineError(
                f"{file}: line {number}: does not follow the line before it{_recovery(file)}"
            )
        executions.append(execution)
    return executions


def append(file: Path, execution: dict[str, Any]) -> None:
    """Append an execution to a valid log."""
    before = read(file)
    linked = {**execution, "previous": before[-1]["hash"] if before else _FIRST_PREVIOUS}
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as log:
        line = {**linked, "hash": _hash(linked)}
        log.write(json.dumps(line, ensure_ascii=False) + "\n")


@contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Lock the checkout against other executions.

    Raises:
        PipelineError: another execution is running.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with (file.parent / "lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PipelineError(
                "another execution is running in this checkout; wait for its end"
            ) from None
        yield


def _hash(execution: dict[str, Any]) -> str:
    content = {name: value for name, value in execution.items() if name != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _recovery(file: Path) -> str:
    return f"; keep the file for an investigation, and start a new log: `mv {file} {file}.broken`"
