"""Synthesize the CDK app of a working tree into a cloud assembly.

The app runs as in `cdk synth`, with the Python environment of this checkout. In contrast to the CDK
CLI, no credentials are looked up.
"""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from deeplens.review import ReviewError
from deeplens.review.checkout import Commit, tree_of

_MAX_CACHED = 8


def synthesize(tree: Path, output: Path, *, name: str, log: Path) -> None:
    """Synthesize the app of `tree` into the new folder `output`.

    Findings of cdk-nag stop the app after it has written the assembly; the review contains these
    findings.

    Args:
        tree: the folder with `app.py` and `cdk.json`.
        output: the folder of the cloud assembly.
        name: the name of the tree in errors.
        log: the file for the output of the app, if it fails.

    Raises:
        ReviewError: the app does not exist, or cannot be synthesized.
    """
    for file in ("app.py", "cdk.json"):
        if not (tree / file).is_file():
            raise ReviewError(f"{name} contains no {file}: expected a CDK app of this project")
    try:
        context = json.loads((tree / "cdk.json").read_text(encoding="utf-8")).get("context", {})
    except ValueError as error:
        raise ReviewError(f"{name}: cdk.json is not valid JSON: {error}") from None
    result = subprocess.run(
        [sys.executable, "app.py"],
        cwd=tree,
        env=_environment(output, context),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if result.returncode and not _stopped_at_findings(output):
        app_output = (result.stderr or result.stdout).strip()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(app_output + "\n", encoding="utf-8")
        last = (
            app_output.splitlines()[-1]
            if app_output
            else f"exit code {result.returncode}, no output"
        )
        raise ReviewError(f"{name} does not synthesize: {last}\ncomplete output: {log}")


def assembly_of(root: Path, commit: Commit, *, log: Path) -> Path:
    """Return the cloud assembly of `commit`, synthesized once and cached in `.local/review`.

    Pinned artifacts are not in git, so they are linked from the working tree. Their paths contain
    their SHA-256, which the app checks.

    Raises:
        ReviewError: git cannot check out the commit, or the app cannot be synthesized.
    """
    cache = root / ".local" / "review"
    cached = cache / f"{commit.id[:16]}-{_installed(root)}"
    if (cached / "manifest.json").is_file():
        cached.touch()
        return cached
    cache.mkdir(parents=True, exist_ok=True)
    with (
        tree_of(root, commit) as tree,
        tempfile.TemporaryDirectory(dir=cache, prefix=".") as folder,
    ):
        _link(root, tree, "models/*/*/model.zip*")
        _link(root, tree, ".local/runtime/*/runtime.zip")
        if (root / ".lambda-layer").is_dir():
            (tree / ".lambda-layer").symlink_to(root / ".lambda-layer")
        output = Path(folder) / "cdk.out"
        synthesize(tree, output, name=f"BASE (commit {commit.id[:12]})", log=log)
        if (tree / "environments").is_dir():
            shutil.copytree(tree / "environments", output / "environments")
        with contextlib.suppress(OSError):  # Another review wrote the same content first.
            output.rename(cached)
    _delete_old(cache)
    return cached


def _environment(output: Path, context: dict[str, object]) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CDK_", "PYTHON"))
    }
    return {
        **inherited,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{inherited.get('PATH', '')}",
        "CDK_OUTDIR": str(output),
        # The review contains the findings of cdk-nag, so the app must run cdk-nag.
        "CDK_CONTEXT_JSON": json.dumps({**context, "nag": True}),
        # Validation takes most of the time of a synthesis; `make check` validates every template.
        "CDK_VALIDATION": "false",
    }


def _stopped_at_findings(output: Path) -> bool:
    report = output / "validation-report.json"
    return report.is_file() and any(
        plugin["violations"]
        for plugin in json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
    )


def _installed(root: Path) -> str:
    """Return a short hash of the lock files and this module, which affect the assembly."""
    locks = hashlib.sha256()
    for name in ("requirements/project.txt", "package-lock.json", "deeplens/review/synthesis.py"):
        file = root / name
        locks.update(file.read_bytes() if file.is_file() else b"")
    return locks.hexdigest()[:8]


def _link(root: Path, tree: Path, pattern: str) -> None:
    """Link built files into another tree; on another file system, copy them."""
    for built in sorted(root.glob(pattern)):
        target = tree / built.relative_to(root)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(built, target)
            except OSError:
                shutil.copyfile(built, target)


def _delete_old(cache: Path) -> None:
    folders = [folder for folder in cache.iterdir() if not folder.name.startswith(".")]
    folders.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for old in folders[_MAX_CACHED:]:
        shutil.rmtree(old, ignore_errors=True)
