"""A trace of authorization decisions, one JSON object per line."""

import errno
import json
import threading
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: a principal, an action on a resource, and the reason.

    ``principal`` is the ARN of the session's role, or of a caller without a role. ``session`` is
    the ARN of the caller. ``statement`` is the ``Sid`` of the matched statement, empty if the
    statement has none or no statement matched. ``context`` contains the condition keys of the
    request, in lower case. ``principal_resource`` is the role's `stack/logical id`, empty if no
    stack created the role. ``resource_names`` maps the physical ids of stack resources in
    ``resource`` to `stack/logical id`.
    """

    principal: str
    session: str
    action: str
    resource: str
    decision: str
    statement: str
    context: dict[str, Any] = field(default_factory=dict)
    principal_resource: str = ""
    resource_names: dict[str, str] = field(default_factory=dict)


class Trace:
    """A JSON Lines file of decisions; only its owner can read a file that the trace creates."""

    def __init__(self, file: Path) -> None:
        """Check that the file can be written; create the file and its folder if they do not exist.

        Raises:
            OSError: the file cannot be written, or is not a regular file. A FIFO without a reader
                would block every request.
        """
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and not file.is_file():
            raise OSError(errno.EINVAL, "is not a regular file", str(file))
        file.touch(mode=0o600)
        with file.open("a", encoding="utf-8"):
            pass
        self._file = file
        self._lock = threading.Lock()

    def record(self, decision: Decision) -> None:
        """Append a decision with the current time."""
        entry = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **asdict(decision)}
        line = json.dumps(entry, default=str)
        with self._lock, self._file.open("a", encoding="utf-8") as lines:
            lines.write(line + "\n")
