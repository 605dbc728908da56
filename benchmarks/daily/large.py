"""Part (f): an artifact of 500 MB, in 1, 3 and 10 environments."""

import hashlib
import secrets
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.daily.apps import Apps, copies_of_dev
from benchmarks.daily.figures import Figure, Part, at_most
from benchmarks.daily.timing import ROOT, interleaved, ratio, seconds
from deeplens.config import ARTIFACT_NAME, load_environment

_MIB = 1 << 20
LARGE_MIB = 500
_COUNTS = (1, 3, 10)
_SOURCES = ("stacks", "lambda_src", "requirements")
_FILES = ("app.py", "cdk.json", "package-lock.json")


def large_artifact(folder: Path, rounds: int, told: Callable[[str], None]) -> Part:
    """Synthesize the same environments with an artifact of 500 MB and with the small one."""
    small, large = _checkout(folder / "small"), _checkout(folder / "large")
    pin = load_environment(ROOT / "environments" / "dev.toml").model
    told(f"an artifact of {LARGE_MIB} MB")
    digest = enlarge(large / "models" / pin.name, pin.digest)
    figures: list[Figure] = []
    for count in _COUNTS:
        environments = {
            checkout: copies_of_dev(checkout / f"{count}-environments", count)
            for checkout in (small, large)
        }
        for file in environments[large].glob("*.toml"):
            file.write_text(file.read_text("utf-8").replace(pin.digest, digest), encoding="utf-8")
        runs = interleaved(
            {
                checkout.name: Apps(
                    environments[checkout], checkout / f"{count}-out", checkout
                ).ours()
                for checkout in (small, large)
            },
            rounds,
            lambda what, count=count: told(f"{count} environments, {what}"),  # type: ignore[misc]
        )
        figures.append(
            Figure(
                f"{count} environment{'s' if count > 1 else ''}",
                f"{seconds(runs['large']):.2f} s (small artifact: {seconds(runs['small']):.2f} s)",
            )
        )
        times = ratio(runs["large"], runs["small"])
    figures += [
        at_most(f"{_COUNTS[-1]} environments, to the small artifact", times, 1.1),
        at_most(
            "bytes copied into the cloud assembly",
            _copied(large / f"{_COUNTS[-1]}-out", digest) / _MIB,
            0,
            "MiB",
        ),
    ]
    return Part(
        "An artifact of 500 MB",
        "It is hashed once and hard-linked into the cloud assembly; each environment's manifest "
        "names the one link.",
        figures,
    )


def _checkout(root: Path) -> Path:
    """Copy what a synthesis reads; artifacts are linked."""
    for name in _SOURCES:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "models", root / "models")
    return root


def enlarge(model: Path, digest: str) -> str:
    """Make an artifact of 500 MB, never the same, of a model's small one; return its digest."""
    grown = model / "grown.zip"
    shutil.copy(model / digest / ARTIFACT_NAME, grown)
    with (
        zipfile.ZipFile(grown, "a") as archive,
        archive.open("weights", "w", force_zip64=True) as weights,
    ):
        for _ in range(LARGE_MIB):
            weights.write(secrets.token_bytes(_MIB))
    with grown.open("rb") as file:
        new = hashlib.file_digest(file, "sha256").hexdigest()
    (model / new).mkdir()
    grown.rename(model / new / ARTIFACT_NAME)
    return new


def _copied(assembly: Path, digest: str) -> int:
    """Count the artifact's bytes below `assembly` that share no storage with the artifact."""
    copies = [
        file.stat()
        for file in assembly.rglob(f"*{digest}*")
        if file.is_file() and file.stat().st_nlink == 1
    ]
    return sum(about.st_size for about in copies)
