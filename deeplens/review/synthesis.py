"""Synthesizes a tree's CDK app into a cloud assembly, with this checkout's environment.

The app is run as `cdk synth` runs it, less the command line's own look for credentials.
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

_KEPT = 8


def synthesize(tree: Path, output: Path, *, named: str, log: Path) -> None:
    """Synthesize the app of `tree` into the new folder `output`.

    An app that stops at findings of cdk-nag has written everything: its findings are a part of
    the review.

    Args:
        tree: folder with `app.py` and `cdk.json`.
        output: where the cloud assembly goes.
        named: what an error calls the tree.
        log: file that gets what the app said when it failed.

    Raises:
        ReviewError: there is no app, or it does not synthesize.
    """
    for file in ("app.py", "cdk.json"):
        if not (tree / file).is_file():
            raise ReviewError(f"{named} has no {file}: not a CDK app of this project")
    try:
        context = json.loads((tree / "cdk.json").read_text(encoding="utf-8")).get("context", {})
    except ValueError as error:
        raise ReviewError(f"{named}: cdk.json is not valid JSON: {error}") from None
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
        said = (result.stderr or result.stdout).strip()
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(said + "\n", encoding="utf-8")
        last = said.splitlines()[-1] if said else f"exit code {result.returncode}, no output"
        raise ReviewError(f"{named} does not synthesize: {last}\nall that it said: {log}")


def assembly_of(root: Path, commit: Commit, *, log: Path) -> Path:
    """Return the cloud assembly of `commit`, synthesized once and kept in `.local/review`.

    Artifacts that the commit pins and git does not have are taken from the working tree: they are
    named by their SHA-256, and the app checks it.
    """
    cache = root / ".local" / "review"
    kept = cache / f"{commit.id[:16]}-{_installed(root)}"
    if (kept / "manifest.json").is_file():
        kept.touch()
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with (
        tree_of(root, commit) as tree,
        tempfile.TemporaryDirectory(dir=cache, prefix=".") as folder,
    ):
        _lend(root, tree, "models/*/*/model.zip*")
        _lend(root, tree, ".local/runtime/*/runtime.zip")
        if (root / ".lambda-layer").is_dir():
            (tree / ".lambda-layer").symlink_to(root / ".lambda-layer")
        output = Path(folder) / "cdk.out"
        synthesize(tree, output, named=f"BASE (commit {commit.id[:12]})", log=log)
        if (tree / "environments").is_dir():
            shutil.copytree(tree / "environments", output / "environments")
        with contextlib.suppress(OSError):  # another review was faster: the same content
            output.rename(kept)
    _forget_old(cache)
    return kept


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
        # What cdk-nag finds is a part of the review.
        "CDK_CONTEXT_JSON": json.dumps({**context, "nag": True}),
        # Most of a synthesis' time; `make check` validates every template.
        "CDK_VALIDATION": "false",
    }


def _stopped_at_findings(output: Path) -> bool:
    report = output / "validation-report.json"
    return report.is_file() and any(
        plugin["violations"]
        for plugin in json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
    )


def _installed(root: Path) -> str:
    """Return a short hash of the locks: other libraries may synthesize other bytes."""
    locks = hashlib.sha256()
    for name in ("requirements/project.txt", "package-lock.json", "deeplens/review/synthesis.py"):
        file = root / name
        locks.update(file.read_bytes() if file.is_file() else b"")
    return locks.hexdigest()[:8]


def _lend(root: Path, tree: Path, pattern: str) -> None:
    """Link what was built into another tree, or copy it to another file system."""
    for built in sorted(root.glob(pattern)):
        target = tree / built.relative_to(root)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(built, target)
            except OSError:
                shutil.copyfile(built, target)


def _forget_old(cache: Path) -> None:
    kept = [folder for folder in cache.iterdir() if not folder.name.startswith(".")]
    kept.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    for old in kept[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
