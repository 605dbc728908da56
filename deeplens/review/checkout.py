"""The git checkout: the commit of BASE, uncommitted files, and the files of another commit."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deeplens.review import ReviewError, WrongBaseError


@dataclass(frozen=True)
class Commit:
    """A commit: its id and the first line of its message."""

    id: str
    subject: str


def resolve(root: Path, ref: str) -> Commit:
    """Return the commit of `ref` in the checkout at `root`.

    Raises:
        ReviewError: `root` is not a git checkout.
        WrongBaseError: `ref` is not a commit of the checkout.
    """
    if _git(root, "rev-parse", "--git-dir").returncode:
        raise ReviewError(
            f"{root} is not a git checkout, so it has no BASE to compare with; "
            "run this in a clone of the repository"
        )
    result = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if result.returncode or not ref:
        raise WrongBaseError(
            f"BASE: {ref!r} is not a commit of this clone: expected a branch, tag or commit, "
            "for example BASE=main, BASE=HEAD or BASE=HEAD~1. If the clone is shallow, run "
            "`git fetch --unshallow`."
        )
    commit = result.stdout.strip()
    return Commit(commit, _git(root, "show", "--no-patch", "--format=%s", commit).stdout.strip())


def uncommitted(root: Path) -> list[str]:
    """Return the paths of the files that differ from the current commit, or are untracked."""
    status = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
    return sorted(entry[3:] for entry in status.stdout.split("\0") if entry)


@contextlib.contextmanager
def tree_of(root: Path, commit: Commit) -> Iterator[Path]:
    """Check out `commit` into a temporary git worktree in `.local/`, and delete it at the end.

    Raises:
        ReviewError: git cannot check out the commit.
    """
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
            ["git", "-C", str(root), *arguments],  # noqa: S607 - git is on PATH
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise ReviewError("git is not installed; a review compares with a git commit") from None
