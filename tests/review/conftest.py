"""A git repository with the files of the working tree, for changes and reviews."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

_GIT = {
    # Pages contain commit ids, so these values make the ids equal in every run.
    "GIT_AUTHOR_NAME": "author",
    "GIT_AUTHOR_EMAIL": "author@example.com",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "author",
    "GIT_COMMITTER_EMAIL": "author@example.com",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


@dataclass(frozen=True)
class Checkout:
    """A git repository that a test may change."""

    root: Path

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.root,
            env={**os.environ, **_GIT},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def review(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the review without credentials and without a terminal."""
        return subprocess.run(
            [sys.executable, "-m", "deeplens", "review", *arguments],
            cwd=self.root,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **_GIT},
            capture_output=True,
            text=True,
            check=False,
        )

    def files(self) -> dict[str, str]:
        folder = self.root / "build" / "review"
        return {file.name: file.read_text(encoding="utf-8") for file in folder.glob("review.*")}

    def json(self) -> Any:
        return json.loads(self.files()["review.json"])

    def set(self, environment: str, key: str, value: str) -> None:
        """Change one string in an environment file."""
        file = self.root / "environments" / f"{environment}.toml"
        text, count = re.subn(
            rf'^{key} = ".*"$',
            f'{key} = "{value}"',
            file.read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
        assert count == 1, f"{file}: {count} lines set {key}"
        file.write_text(text, encoding="utf-8")


def copy_of_the_working_tree(root: Path) -> Checkout:
    """Create a repository with one commit of the working tree, including uncommitted files."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    pinned = [str(file.relative_to(ROOT)) for file in (ROOT / "models").glob("*/*/model.zip")]
    for name in {*filter(None, listed.split("\0")), *pinned}:
        if (ROOT / name).is_file():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    checkout = Checkout(root)
    checkout.git("init", "--quiet", "--initial-branch", "main")
    checkout.git("add", "--force", "models")
    checkout.commit("the base")
    return checkout


@pytest.fixture(scope="session")
def make_checkout(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A function that creates another checkout in a new folder."""
    return lambda name: copy_of_the_working_tree(tmp_path_factory.mktemp(name))
