"""The model artifact that production pins in git.

`make demo` changes dev's pin in the working tree and adds an artifact. Therefore only the commit
identifies the model that the tests expect.
"""

import subprocess
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_PRODUCTION = "environments/production.toml"


@cache
def pinned_artifact(root: Path = ROOT) -> Path:
    """Return the path of the artifact that production pins in the last commit.

    Without a commit, the pin in the working tree applies.
    """
    shown = subprocess.run(
        ["git", "show", f"HEAD:{_PRODUCTION}"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    committed = shown.stdout if shown.returncode == 0 else (root / _PRODUCTION).read_text("utf-8")
    model = tomllib.loads(committed)["model"]
    name, digest = str(model["name"]), str(model["digest"])
    return root / "models" / name / digest / "model.zip"
