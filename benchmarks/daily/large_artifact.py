"""Measurements of a 500 MiB artifact in 1, 3 and 10 environments: synthesis and deployment."""

import hashlib
import json
import secrets
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

import boto3

from benchmarks.daily.apps import Apps, copies_of_dev
from benchmarks.daily.command_line import deploy_prebuilt, synthesize
from benchmarks.daily.results import Row, Section, bounded_row
from benchmarks.daily.timing import ROOT, Log, interleaved, median_seconds, ratio
from deeplens.config import ARTIFACT_NAME, load_environment
from local_aws.process.endpoint import secret_access_key
from testkit.checkout import Checkout, fresh_checkout

_MIB = 1 << 20
_LARGE_MIB = 500
_COUNTS = (1, 3, 10)
_SOURCES = ("stacks", "deeplens", "lambda_src", "model_tools", "requirements")
_FILES = ("app.py", "cdk.json", "package-lock.json")


def synthesize_large_artifact(folder: Path, rounds: int, log: Log) -> Section:
    """Measure the synthesis of 1, 3 and 10 environments with the small and the 500 MiB artifact."""
    small, large = _checkout(folder / "small"), _checkout(folder / "large")
    pin = load_environment(ROOT / "environments" / "dev.toml").model
    log(f"an artifact of {_LARGE_MIB} MB")
    digest = _enlarge(large / "models" / pin.name, pin.digest)
    rows: list[Row] = []
    for count in _COUNTS:
        environments = {
            checkout: copies_of_dev(checkout / f"{count}-environments", count)
            for checkout in (small, large)
        }
        for file in environments[large].glob("*.toml"):
            _pin(file, pin.digest, digest)
        runs = interleaved(
            {
                checkout.name: Apps(
                    environments[checkout], checkout / f"{count}-out", checkout
                ).cold()
                for checkout in (small, large)
            },
            rounds,
            lambda text, count=count: log(f"{count} environments, {text}"),  # type: ignore[misc]
        )
        rows.append(
            Row(
                _environments(count),
                f"{median_seconds(runs['large']):.2f} s "
                f"(small artifact: {median_seconds(runs['small']):.2f} s)",
            )
        )
        large_to_small = ratio(runs["large"], runs["small"])
    rows += [
        bounded_row(f"{_COUNTS[-1]} environments, to the small artifact", large_to_small, 1.1),
        bounded_row(
            "bytes copied into the cloud assembly",
            _copied_bytes(large / f"{_COUNTS[-1]}-out", digest) / _MIB,
            0,
            "MiB",
        ),
    ]
    return Section(
        "An artifact of 500 MB",
        "It is hashed once and hard-linked into the cloud assembly; each environment's manifest "
        "names the same link.",
        rows,
    )


def deploy_large_artifact(folder: Path, _rounds: int, log: Log) -> Section:
    """Measure first deployments of 1, 3 and 10 environments, with a small and a large artifact."""
    root = folder / "checkout"
    root.mkdir()
    log("an emulator with dev deployed")
    rows: list[Row] = []
    uploads = 0
    with fresh_checkout(root) as checkout:
        checkout.demo("deploy", "dev")
        pin = load_environment(root / "environments" / "dev.toml").model
        environments = copies_of_dev(folder / "environments", 2 * sum(_COUNTS) + 1)
        new = (file.stem for file in sorted(environments.glob("copy*.toml")))
        for count in _COUNTS:
            small = [next(new) for _ in range(count)]
            large = [next(new) for _ in range(count)]
            log(f"an artifact of {_LARGE_MIB} MB for {_environments(count)}")
            digest = _enlarge(root / "models" / pin.name, pin.digest)
            for name in large:
                _pin(environments / f"{name}.toml", pin.digest, digest)
            assembly = synthesize(checkout, environments, folder / f"{count}-assembly")
            seconds = {
                artifact: _deploy(checkout, assembly, names, log)
                for artifact, names in (("small", small), ("large", large))
            }
            uploads = max(uploads, _uploads(checkout, digest))
            rows.append(
                Row(
                    _environments(count),
                    f"{seconds['large']:.1f} s (small artifact: {seconds['small']:.1f} s)",
                )
            )
    return Section(
        "An artifact of 500 MB, deployed",
        "First deployments to the emulator, prebuilt and in parallel, once each. The command line "
        "uploads the artifact once; each environment copies it to its own bucket, inside S3.",
        [*rows, Row("uploads of one artifact", f"{uploads}", "1", uploads == 1)],
    )


def _checkout(root: Path) -> Path:
    """Copy the inputs of a synthesis into the new folder `root`, and return `root`."""
    for name in _SOURCES:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in _FILES:
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "models", root / "models")
    return root


def _enlarge(model: Path, digest: str) -> str:
    """Add 500 MiB of random data to a copy of the small artifact, and return the copy's digest."""
    enlarged = model / "enlarged.zip"
    shutil.copy(model / digest / ARTIFACT_NAME, enlarged)
    with (
        zipfile.ZipFile(enlarged, "a") as archive,
        archive.open("weights", "w", force_zip64=True) as weights,
    ):
        for _ in range(_LARGE_MIB):
            weights.write(secrets.token_bytes(_MIB))
    with enlarged.open("rb") as file:
        new = hashlib.file_digest(file, "sha256").hexdigest()
    (model / new).mkdir()
    enlarged.rename(model / new / ARTIFACT_NAME)
    return new


def _copied_bytes(assembly: Path, digest: str) -> int:
    """Return the total bytes of the artifact's copies in `assembly` that are not hard links."""
    copies = [
        file.stat()
        for file in assembly.rglob(f"*{digest}*")
        if file.is_file() and file.stat().st_nlink == 1
    ]
    return sum(status.st_size for status in copies)


def _environments(count: int) -> str:
    return "1 environment" if count == 1 else f"{count} environments"


def _pin(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def _deploy(checkout: Checkout, assembly: Path, names: Iterable[str], log: Log) -> float:
    seconds = deploy_prebuilt(checkout, assembly, *(f"{name}/*" for name in names))().seconds
    log(f"deployed in {seconds:.1f} s")
    return seconds


def _uploads(checkout: Checkout, digest: str) -> int:
    """Return the number of uploads of an artifact: its versions in CDK's asset bucket."""
    endpoint = json.loads((checkout.root / ".local/aws/endpoint.json").read_text(encoding="utf-8"))
    dev = load_environment(checkout.root / "environments" / "dev.toml")
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint["endpoint_url"],
        region_name=dev.region,
        aws_access_key_id=dev.account,
        aws_secret_access_key=secret_access_key(endpoint["root_key"], dev.account),
    )
    bucket = f"cdk-deeplens-assets-{dev.account}-{dev.region}"
    return len(s3.list_object_versions(Bucket=bucket, Prefix=digest)["Versions"])
