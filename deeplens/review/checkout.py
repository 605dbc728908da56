"""The git checkout: what BASE names, what is not committed, and a tree of another commit."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deeplens.review import ReviewError, WrongBaseError


@dataclass(frozen=True)
class Commit:
    """A commit, by its id and the first line of its message."""

    id: str
    subject: str


def resolve(root: Path, ref: str) -> Commit:
    """Return the commit that `ref` names in the checkout at `root`.

    Raises:
        ReviewError: `root` is not a git checkout.
        WrongBaseError: `ref` names no commit of it.
    """
    if _git(root, "rev-parse", "--git-dir").returncode:
        raise ReviewError(
            f"{root}: not a git checkout, so there is no BASE to compare with; "
            "run this in a clone of the repository"
        )
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode or not ref:
        raise WrongBaseError(
            f"BASE: given {ref!r}, which names no commit here; give a branch, tag or commit, "
            "for example BASE=main, BASE=HEAD or BASE=HEAD~1 (a shallow clone may lack it: "
            "`git fetch --unshallow`)"
        )
    commit = found.stdout.strip()
    return Commit(commit, _git(root, "show", "--no-patch", "--format=%s", commit).stdout.strip())


def uncommitted(root: Path) -> list[str]:
    """Return every path that the working tree has and its commit has not, or has differently."""
    status = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
    return sorted(entry[3:] for entry in status.stdout.split("\0") if entry)


@contextlib.contextmanager
def tree_of(root: Path, commit: Commit) -> Iterator[Path]:
    """Check `commit` out into a temporary git worktree below `.local/`, gone afterwards."""
    local = root / ".local"
    local.mkdir(exist_ok=True)
    _git(root, "worktree", "prune")
    with tempfile.TemporaryDirectory(dir=local, prefix="review-") as folder:
        tree = Path(folder) / "tree"
        added = _git(root, "worktree", "add", "--detach", "--force", str(tree), commit.id)
        if added.returncode:
            raise ReviewError(f"git cannot check out {commit.id}: {added.stderr.strip()}")
        try:
            yield tree
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - git, with arguments and no shell
            ["git", "-C", str(root), *arguments],  # noqa: S607 - git is found on PATH, as a user's
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise ReviewError("git: no such command; a review compares with a git commit") from None
