"""Hash-chained audit logs: promotions in git, and executions of the pipeline on the emulator.

Each line is a JSON object with the SHA-256 of the previous line (`previous`) and its own SHA-256
(`hash`). A changed, inserted or removed line is an error that contains a line number. The chain
remains valid if the last lines are removed, or if all lines after a change are rewritten.
Therefore, `check_grows_from` compares the file with a commit.
"""

import hashlib
import json
import subprocess
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from model_tools.errors import RegistryError

NAME = "promotions.jsonl"
_BEGINNING = "0" * 64


@dataclass(frozen=True)
class AuditLog:
    """A file with one JSON object per line, each with the hash of the previous line.

    Attributes:
        entry: a noun phrase for one line, for example "a move".
        repair: the commands that follow an error.
    """

    file: Path
    entry: str
    repair: str

    def read(self) -> list[dict[str, Any]]:
        """Return every entry, oldest first, after a check of the chain; an absent file has none.

        Raises:
            RegistryError: the file is not UTF-8, or a line was changed, added or removed; the
                message contains the number of the line.
        """
        entries: list[dict[str, Any]] = []
        for number, line in enumerate(self._lines(), 1):
            at = f"{self.file}: line {number}"
            try:
                entry = json.loads(line)
                own, previous = entry["hash"], entry["previous"]
            except (ValueError, TypeError, KeyError, RecursionError) as error:
                raise RegistryError(f"{at}: not {self.entry}: {error}; {self.repair}") from None
            if own != _digest(entry):
                raise RegistryError(
                    f"{at}: was changed: its hash is not that of its content; {self.repair}"
                )
            if previous != (entries[-1]["hash"] if entries else _BEGINNING):
                raise RegistryError(
                    f"{at}: does not follow the line before it: a line was removed, added or moved "
                    f"(for example by a merge of two branches); {self.repair}"
                )
            entries.append(entry)
        return entries

    def append(self, content: dict[str, Any]) -> dict[str, Any]:
        """Add an entry to the end of a valid log; return it with its hashes.

        Raises:
            RegistryError: a line was changed, added or removed.
        """
        entries = self.read()
        entry = _sealed(content, entries[-1]["hash"] if entries else _BEGINNING)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(entry, ensure_ascii=False) + "\n")
        return entry

    def _lines(self) -> list[str]:
        """Return the lines; str.splitlines() would also split JSON strings at U+2028.

        Raises:
            RegistryError: the file is not UTF-8.
        """
        try:
            lines = self.file.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return []
        except UnicodeDecodeError as error:
            raise RegistryError(
                f"{self.file}: is not UTF-8: {error.reason}; {self.repair}"
            ) from None
        return lines[:-1] if lines[-1] == "" else lines


@dataclass(frozen=True)
class Move:
    """A change of the pin of an environment.

    Attributes:
        at: the time, ISO 8601 in UTC.
        who: the person's name and address, from git.
        source: the environment that verified the release; for a rollback, the environment itself.
        evidence: the result of the verification in `source`.
        previous: the hash of the previous move.
        hash: the SHA-256 of all other fields.
    """

    at: str
    who: str
    kind: Literal["promote", "rollback"]
    environment: str
    model: str
    before: str
    after: str
    source: str
    evidence: str
    reason: str
    previous: str = ""
    hash: str = ""

    def sealed(self, previous: str) -> "Move":
        """Return this move with the hash of the previous move, and its own hash."""
        return replace(self, previous=previous, hash=_sealed(asdict(self), previous)["hash"])


def read_history(file: Path) -> list[Move]:
    """Return the moves of an audit log, oldest first; an absent file has no moves.

    Raises:
        RegistryError: a line was changed, added or removed; the message contains the number of the
            line.
    """
    log = _promotions(file)
    moves: list[Move] = []
    for number, entry in enumerate(log.read(), 1):
        try:
            moves.append(Move(**entry))
        except TypeError as error:
            raise RegistryError(
                f"{file}: line {number}: not a move: {error}; {log.repair}"
            ) from None
    return moves


def append(file: Path, move: Move) -> Move:
    """Add a move to the end of a valid audit log; return it with its hashes.

    Raises:
        RegistryError: the audit log is not valid.
    """
    read_history(file)
    return Move(**_promotions(file).append(asdict(move)))


def is_recorded_in_git(file: Path, move: Move) -> bool:
    """Return whether the current commit contains a move; False outside of a git checkout."""
    command = ["git", "-C", str(file.resolve().parent), "show", f"HEAD:./{file.name}"]
    result = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - git, no shell
    return result.returncode == 0 and move.hash.encode() in result.stdout


def check_grows_from(file: Path, ref: str) -> None:
    """Check that the audit log begins with its content at commit `ref`.

    If the commit does not contain the file, the check passes.

    Raises:
        RegistryError: the beginning differs, or git does not have the commit.
    """
    folder = file.resolve().parent
    command = ["git", "-C", str(folder), "show", "--end-of-options", f"{ref}:./{file.name}"]
    result = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - git, no shell
    if result.returncode:
        problem = result.stderr.decode(errors="replace").strip()
        if "exists on disk, but not in" in problem or "does not exist in" in problem:
            return
        raise RegistryError(f"{ref}: git cannot show {file.name} there: {problem}")
    if not file.read_bytes().startswith(result.stdout):
        raise RegistryError(
            f"{file}: does not begin with its content at {ref}: moves were rewritten; "
            f"compare with `git diff {ref} -- {file}`"
        )


def _promotions(file: Path) -> AuditLog:
    repair = (
        f"compare with `git log -p -- {file}`; `git restore {file}` restores the committed file"
    )
    return AuditLog(file, "a move", repair)


def _sealed(content: dict[str, Any], previous: str) -> dict[str, Any]:
    """Return an entry with the hash of the previous entry, and its own hash."""
    entry = {**content, "previous": previous}
    return {**entry, "hash": _digest(entry)}


def _digest(entry: dict[str, Any]) -> str:
    """Return the SHA-256 of an entry without its member `hash`."""
    content = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
