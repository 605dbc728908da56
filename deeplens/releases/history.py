"""The trail of every move: one JSON line each, chained by hash, kept in git beside the pins.

Each line holds the SHA-256 of the line before it, and its own. A line that was changed, removed or
put in between is found and named. Who rewrites the whole file from there on is found by git:
`check_grows_from` says whether the file only grew since a commit.
"""

import hashlib
import json
import subprocess
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from model_tools.errors import RegistryError

NAME = "promotions.jsonl"
_BEGINNING = "0" * 64


@dataclass(frozen=True)
class Move:
    """One move of one environment's pin.

    Attributes:
        at: when, ISO 8601 in UTC.
        who: as git knows the person.
        source: the environment that proved the release; of a roll-back the environment itself.
        evidence: the source project's own verdict.
        previous: hash of the move before this one.
        hash: SHA-256 of all the rest.
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
        """Return this move as the one after `previous`."""
        linked = replace(self, previous=previous, hash="")
        return replace(linked, hash=linked.digest())

    def digest(self) -> str:
        """SHA-256 of everything but the hash itself."""
        content = {name: value for name, value in asdict(self).items() if name != "hash"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_history(file: Path) -> list[Move]:
    """Read the trail and check its chain; no file is an empty trail.

    Raises:
        RegistryError: a line was changed, added or removed; the text names the line.
    """
    if not file.is_file():
        return []
    moves: list[Move] = []
    for number, line in enumerate(lines_of(file), 1):
        at = f"{file}: line {number}"
        try:
            move = Move(**json.loads(line))
        except (ValueError, TypeError, RecursionError) as error:
            raise RegistryError(f"{at}: not a move: {error}; {_restore(file)}") from None
        if move.hash != move.digest():
            raise RegistryError(
                f"{at}: was changed: its hash is not that of its content; {_restore(file)}"
            )
        if move.previous != (moves[-1].hash if moves else _BEGINNING):
            raise RegistryError(
                f"{at}: does not follow the line before it: a line was removed, added or moved "
                f"(two promotions at once, merged?); {_restore(file)}"
            )
        moves.append(move)
    return moves


def lines_of(file: Path) -> list[str]:
    """Return the lines of a file; str.splitlines() also ends them within a JSON text (U+2028)."""
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise RegistryError(f"{file}: is not UTF-8: {error.reason}; {_restore(file)}") from None
    return lines[:-1] if lines[-1] == "" else lines


def append(file: Path, move: Move) -> Move:
    """Add a move to the end of a trail that is whole; return it as it was written."""
    moves = read_history(file)
    sealed = move.sealed(moves[-1].hash if moves else _BEGINNING)
    with file.open("a", encoding="utf-8") as trail:
        trail.write(json.dumps(asdict(sealed), ensure_ascii=False) + "\n")
    return sealed


def is_recorded_in_git(file: Path, move: Move) -> bool:
    """Return whether the current commit contains a move; false outside of a git checkout."""
    command = ["git", "-C", str(file.resolve().parent), "show", f"HEAD:./{file.name}"]
    shown = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - git, no shell
    return shown.returncode == 0 and move.hash.encode() in shown.stdout


def check_grows_from(file: Path, ref: str) -> None:
    """Check that the trail begins with what it was at commit `ref`.

    Raises:
        RegistryError: it does not, or git does not know the commit.
    """
    folder = file.resolve().parent
    command = ["git", "-C", str(folder), "show", "--end-of-options", f"{ref}:./{file.name}"]
    shown = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - git, no shell
    if shown.returncode:
        said = shown.stderr.decode(errors="replace").strip()
        if "exists on disk, but not in" in said or "does not exist in" in said:
            return
        raise RegistryError(f"{ref}: git cannot show {file.name} there: {said}")
    if not file.read_bytes().startswith(shown.stdout):
        raise RegistryError(
            f"{file}: does not begin with what it was at {ref}: moves were rewritten; "
            f"compare with `git diff {ref} -- {file}`"
        )


def _restore(file: Path) -> str:
    return f"compare with `git log -p -- {file}`, and `git restore {file}` brings it back"
